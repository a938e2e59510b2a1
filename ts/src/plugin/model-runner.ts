// What runs a model on one device: weights, KV cache and forward. It does not schedule and knows no request.

import type { Device, DeviceKind } from './device.js'
import type { DTypeName } from './dtype.js'
import type { Tensor } from './framework.js'
import type { InputBatch } from './input-batch.js'

/** What a plugin's runners can do. */
export interface RunnerCapabilities {
  /** Kinds of device that they run on. */
  readonly devices: readonly DeviceKind[]
  /** Types that they compute in. */
  readonly dtypes: readonly DTypeName[]
  /** Names as `architectures` of config.json has them. */
  readonly architectures: readonly string[]
  /** Names of formats that weights can be quantised to when they are loaded; empty if none. */
  readonly quantizations: readonly string[]
  /** True if errors of that can be weighed by an importance matrix. Absent = false. */
  readonly imatrix?: boolean
  /** True if its packed weights can be kept in a folder, for the next start. Absent = false. */
  readonly packedWeightsCache?: boolean
  /** Names of what its KV cache can store keys and values as, beside what it stores them as by itself. Absent = none. */
  readonly kvCacheDtypes?: readonly string[]
  /** Formats of files that it reads beside safetensors: `gguf`. Absent = none. */
  readonly weightFormats?: readonly string[]
  /** Block sizes that attention can page with; 'any' for every size from 1. */
  readonly blockSizes: readonly number[] | 'any'
  /** True if `execute` samples rows that need the sampling columns alone (no flag `hostSampling`). */
  readonly deviceSampling: boolean
  /** True if the runner has `embed`. Absent = false. */
  readonly pooling?: boolean
}

/** Where a model is: a directory in Hugging Face's layout, or a file of one of the runner's `weightFormats`. */
export interface ModelSource {
  /** The directory or file. */
  readonly path: string
}

/** Sampling defaults of generation_config.json; absent fields were absent there. */
export interface GenerationDefaults {
  /** As `SamplingOptions.temperature`. */
  readonly temperature?: number
  /** `top_p` of the file. */
  readonly topP?: number
  /** `top_k` of the file. */
  readonly topK?: number
  /** `min_p` of the file. */
  readonly minP?: number
  /** `repetition_penalty` of the file. */
  readonly repetitionPenalty?: number
  /** `max_new_tokens` of the file, in tokens. */
  readonly maxNewTokens?: number
}

/** How the hidden states of a sequence become one vector. `last` is the last token's, `cls` the first one's. */
export type PoolingKind = 'cls' | 'last' | 'mean' | 'max' | 'meanSqrtLen' | 'weightedMean'

/** How a model makes vectors or scores of sequences. */
export interface PoolingInfo {
  /** What the checkpoint asks for, else what suits its architecture. */
  readonly kind: PoolingKind
  /** Whether vectors are normalised where nobody says otherwise. */
  readonly normalizes: boolean
  /** Numbers of a vector. */
  readonly embeddingSize: number
  /** Most tokens of a sequence. */
  readonly maxTokens: number
  /** Whether texts are lowercased before they are tokenized. */
  readonly lowercases: boolean
  /** True for a classifier with one output: it gives scores, no vectors. */
  readonly scores: boolean
  /** Whether a sequence may come in parts, as decoders allow. Also decides what happens to texts that are too long. */
  readonly takesParts: boolean
  /** Shorter vectors that the model was trained for; empty if the checkpoint names none. */
  readonly dimensions: readonly number[]
}

/** Operations by the type that multiplies; a multiply-add is two. */
export interface Operations {
  /** Of single precision. */
  readonly float32: number
  /** Of bfloat16. */
  readonly bfloat16: number
  /** Of bytes: weights in blocks, and int8. */
  readonly int8: number
}

/** What the products of a step read and compute, to be compared with what the machine can do. Attention is not counted. */
export interface ProductWork {
  /** Bytes of weights that a token is multiplied with, the output matrix included; of experts, those that it picks. */
  readonly weightBytes: number
  /** Of a token, in all but the output matrix. */
  readonly tokenOperations: Operations
  /** Of a row of logits. */
  readonly logitsOperations: Operations
  /** The kernels, as `QUIRE_CPU` names them. */
  readonly kernels: string
  /** Threads that compute. */
  readonly threads: number
}

/** What the engine must know of a loaded model. */
export interface ModelInfo {
  /** As `architectures` of config.json has it: `LlamaForCausalLM`. */
  readonly architecture: string
  /** `model_type` of config.json: `llama`. */
  readonly modelType: string
  /** Number of token ids that logits are of. */
  readonly vocabSize: number
  /** Tokens of the longest sequence that the model was made for. */
  readonly maxPositionEmbeddings: number
  /** Numbers of a hidden state. */
  readonly hiddenSize: number
  /** Layers. */
  readonly numLayers: number
  /** Query heads of a layer. */
  readonly numHeads: number
  /** Heads of keys and values of a layer. */
  readonly numKvHeads: number
  /** Numbers of one head's key. */
  readonly headDim: number
  /** The type that it computes in. */
  readonly dtype: DTypeName
  /** Bytes of the weights in memory. */
  readonly weightsBytes: number
  /** Number of weights. */
  readonly numParameters: number
  /** Stop ids of generation_config.json, else config.json; the first is the primary one. */
  readonly eosTokenIds: readonly number[]
  /** Window in tokens if every layer slides, else null. */
  readonly slidingWindow: number | null
  /** What applies where a request says nothing. */
  readonly generationDefaults: GenerationDefaults
  /** False for a model without logits: it has no KV cache (`kvCacheSpec().layers` is empty) and no steps. Absent = true. */
  readonly generates?: boolean
  /** Absent: the runner has no `embed`. */
  readonly pooling?: PoolingInfo
  /** Of a runner whose products are those of the embedded default's kernels; absent for others. */
  readonly productWork?: ProductWork
}

/** The KV cache of one layer, as the runner wants it. */
export interface KvCacheLayerSpec {
  /** Type of the cached keys and values. */
  readonly dtype: DTypeName
  /** Bytes of one block of this layer, K and V together. */
  readonly bytesPerBlock: number
  /** Bytes to which a block entry is rounded up where the device asks for it; 0 = none. */
  readonly alignment: number
  /** Shape for `numBlocks` blocks, e.g. `[2, numBlocks, kvHeads, blockSize, headDim]`. */
  shape(numBlocks: number): readonly number[]
}

/** The KV cache that a runner wants. */
export interface KvCacheSpec {
  /** KV slots per block. */
  readonly blockSize: number
  /** One entry per layer; none for a model that has no cache. */
  readonly layers: readonly KvCacheLayerSpec[]
}

/** The largest batch that the engine will ever send. */
export interface BatchLimits {
  /** Most rows of a batch. */
  readonly maxNumSeqs: number
  /** Most tokens of a batch. */
  readonly maxNumBatchedTokens: number
  /** Most tokens of one sequence. */
  readonly maxModelLen: number
  /** Rows of logits in one step. */
  readonly maxLogitsRows: number
  /** KV slots per block. */
  readonly blockSize: number
}

/** Memory that the runner needs beside the KV cache, in bytes. */
export interface MemoryProfile {
  /** Bytes of the weights, which are in memory already. */
  readonly weightsBytes: number
  /** Peak of activations and scratch at the given limits; not yet allocated when `profile` returns. */
  readonly activationBytes: number
}

/**
 * What a step gave: the logits buffer is filled, or the runner has sampled.
 * `counts[row]` tokens for each row of the batch, laid end to end in `tokenIds` (0 for a row that does not sample).
 */
export type ModelOutput =
  | { readonly kind: 'logits' }
  | { readonly kind: 'tokens'; readonly counts: Int32Array; readonly tokenIds: Int32Array }

/** Sequences to be made into vectors or scores, end to end without padding. */
export interface EmbedBatch {
  /** The tokens of all sequences: `[tokens]`. */
  readonly tokenIds: Int32Array
  /** Types of the tokens; absent = all 0. */
  readonly tokenTypes?: Int32Array
  /** Where each sequence begins, and the end of the last: `[sequences + 1]`. */
  readonly startLoc: Int32Array
  /** How a sequence becomes a vector, or that scores are wanted. */
  readonly output: PoolingKind | 'score'
  /** This is a part of one sequence, which comes in order in several calls; the vector comes with the last. */
  readonly part?: { readonly numComputed: number; readonly numTokens: number }
}

/** Where and how to run. */
export interface Target {
  /** The device to run on. */
  readonly device: Device
  /** The type to compute in; 'auto' is the checkpoint's, where the device has it. */
  readonly dtype: 'auto' | DTypeName
  /** One of the runner's `quantizations`, or 'none': quantised weights are widened too; absent = weights stay as they are stored. */
  readonly quantization?: string
  /** Path of an importance matrix, by which errors of quantising on load count; absent = all count alike. */
  readonly imatrix?: string
  /** Path of a folder for packed weights, which may not be there yet; absent = weights are packed at every start. */
  readonly packedWeightsCache?: string
  /** One of the runner's `kvCacheDtypes`; absent = as the runner thinks best. */
  readonly kvCacheDtype?: string
  /** This rank, from 0. */
  readonly rank: number
  /** Number of ranks that share the model. */
  readonly worldSize: number
  /** KV slots per block. */
  readonly blockSize: number
  /** Compute threads on a CPU device; absent = all cores that this process may use. */
  readonly threads?: number
  /** Run without compiling, for debugging. */
  readonly eager?: boolean
  /** The thread that calls serves nothing but this runner: `execute` may compute in it and keep it busy for the whole step. */
  readonly ownThread?: boolean
}

/** One model on one device of one rank. Calls come one at a time, in the order of this interface. */
export interface ModelRunner {
  /** What this runner can do on its device. */
  readonly capabilities: RunnerCapabilities
  /** @throws ModelError, OutOfMemoryError. `onProgress` gets fractions from 0 to 1. */
  loadModel(source: ModelSource, onProgress: (fraction: number) => void): Promise<ModelInfo>
  /** The KV cache that the loaded model needs. Asked once, after `loadModel`. */
  kvCacheSpec(): KvCacheSpec
  /** What steps within these limits need. @throws OutOfMemoryError if they cannot fit. */
  profile(limits: BatchLimits): Promise<MemoryProfile>
  /** One tensor per layer, allocated by the neutral worker through `Framework`. */
  bindKvCache(layers: readonly Tensor[]): Promise<void>
  /** Compiles every shape that requests can bring, so that none waits for a compiler. Fractions from 0 to 1. */
  warmup(onProgress: (fraction: number) => void): Promise<void>
  /**
   * Where the engine shall read logits, `[maxLogitsRows, vocabSize]`: memory that the runner shares with the process of its
   * device. Called once, after `profile`. Absent = an array of the engine's own.
   */
  logitsMemory?(): Float32Array
  /**
   * Runs one step. Both arrays belong to the runner until the promise settles.
   * @param logits `[batch.numLogits, vocabSize]`, row-major; may be longer.
   * @throws any error: the engine fails the requests of this step with it as the cause and goes on.
   */
  execute(batch: InputBatch, logits: Float32Array): Promise<ModelOutput>
  /**
   * Makes a vector or a score of each sequence; never while `execute` runs, and without a trace in the KV cache. What a
   * sequence gives depends on nothing but the sequence. The arrays belong to the runner until the promise settles.
   * @param out `[sequences, embeddingSize]`, not normalised, or `[sequences]` for scores; may be longer.
   * @throws any error: the engine fails the sequences of this call with it as the cause and goes on.
   */
  embed?(batch: EmbedBatch, out: Float32Array): Promise<void>
  /** Frees the model. Called once, when no step is in flight. */
  close(): Promise<void>
}
