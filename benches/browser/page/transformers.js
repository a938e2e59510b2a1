// transformers.js on the workload: ONNX in float32 over onnxruntime-web. Several prompts are one static batch, cut to
// the shortest, because its attention knows no padding on the left.

import {
  AutoModelForCausalLM,
  AutoTokenizer,
  env,
  Tensor,
} from '/peers/@huggingface/transformers/dist/transformers.min.js'

export const load = async ({ onnx, threads }) => {
  env.allowRemoteModels = false
  env.allowLocalModels = true
  env.localModelPath = '/onnx/'
  env.useBrowserCache = false
  env.backends.onnx.wasm.wasmPaths = '/peers/onnxruntime-web/dist/'
  env.backends.onnx.wasm.numThreads = threads
  const tokenizer = await AutoTokenizer.from_pretrained(onnx)
  const model = await AutoModelForCausalLM.from_pretrained(onnx, { device: 'wasm', dtype: 'fp32' })
  const paramsOf = count => ({ max_new_tokens: count, min_new_tokens: count, do_sample: false })
  return {
    async generate(text, count, onToken) {
      const inputs = tokenizer(text)
      let isPrompt = true
      const streamer = {
        put: () => {
          if (!isPrompt) onToken()
          isPrompt = false
        },
        end: () => {},
      }
      await model.generate({ ...inputs, ...paramsOf(count), streamer })
      return inputs.input_ids.dims[1]
    },
    async many(texts, count) {
      const rows = texts.map(text => tokenizer.encode(text))
      const length = Math.min(...rows.map(row => row.length))
      const ids = rows.flatMap(row => row.slice(0, length)).map(BigInt)
      const shape = [texts.length, length]
      const outputs = await model.generate({
        input_ids: new Tensor('int64', ids, shape),
        attention_mask: new Tensor(
          'int64',
          ids.map(() => 1n),
          shape,
        ),
        ...paramsOf(count),
      })
      return texts.length * (outputs.dims[1] - length)
    },
  }
}
