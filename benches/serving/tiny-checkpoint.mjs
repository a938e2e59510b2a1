// Random checkpoints that are so small that serving dominates, with a tokenizer of 2,048 ids: the same bytes on every machine.
// `node benches/serving/tiny-checkpoint.mjs DIR [hidden64|tiny64]` writes one where a peer wants a file.

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import { writeTinyCheckpoint } from 'quire-llm/testing'

const VOCABULARY = 2048
const MOST_POSITIONS = 2048

/** Shapes by name: hidden 64; and hidden 128, which is the peers' `tiny64`. */
export const SHAPES = {
  hidden64: { hiddenSize: 64, numHeads: 4, numKvHeads: 2, headDim: 16, intermediateSize: 176, numLayers: 2 },
  tiny64: { hiddenSize: 128, numHeads: 4, numKvHeads: 2, headDim: 32, intermediateSize: 352, numLayers: 2 },
}

/** The directory of the checkpoint below `cache`, written if it is not there. */
export async function tinyCheckpoint(cache, name) {
  const path = join(cache, `serving-${name}`)
  if (existsSync(join(path, 'complete'))) return path
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  const config = { ...SHAPES[name], vocabSize: VOCABULARY, maxPositionEmbeddings: MOST_POSITIONS }
  await writeTinyCheckpoint(path, { dtype: 'bfloat16', seed: 64, config })
  writeFileSync(join(path, 'tokenizer.json'), JSON.stringify(tokenizer()))
  writeFileSync(
    join(path, 'tokenizer_config.json'),
    JSON.stringify({
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: '<s>',
      eos_token: '</s>',
      unk_token: '<unk>',
      model_max_length: MOST_POSITIONS,
      chat_template:
        '{% for message in messages %}<s>{{ message.role }}\n{{ message.content }}</s>{% endfor %}{% if add_generation_prompt %}<s>assistant\n{% endif %}',
    }),
  )
  writeFileSync(join(path, 'complete'), '')
  return path
}

/** Bytes, and merges of two of the more usual letters and of those pairs: byte-level BPE, in the form of `tokenizers`. */
function tokenizer() {
  const special = ['<unk>', '<s>', '</s>']
  const alphabet = [...byteAlphabet()]
  const letters = [...'etaoinshrdlcumwfgypbvk']
  const pairs = letters.flatMap(a => letters.map(b => [a, b]))
  const spaced = letters.map(letter => ['\u0120', letter]) // a space, as byte-level BPE writes it
  const spacedPairs = pairs.map(([a, b]) => [`\u0120${a}`, b])
  const quads = pairs.flatMap(([a, b]) => pairs.map(([c, d]) => [a + b, c + d]))
  const merges = [...pairs, ...spaced, ...spacedPairs, ...quads].slice(0, VOCABULARY - special.length - alphabet.length)
  const pieces = [...special, ...alphabet, ...merges.map(([left, right]) => left + right)]
  const vocabulary = Object.fromEntries(pieces.map((piece, id) => [piece, id]))
  if (Object.keys(vocabulary).length !== VOCABULARY) throw new Error('this is a bug: the pieces are not all different')
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: vocabulary,
      merges,
    },
  }
}

/** The character that byte-level BPE writes for each byte: itself where it can be seen, else one from 256 on. */
function* byteAlphabet() {
  const seen = byte => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let next = 256
  for (let byte = 0; byte < 256; byte += 1) yield String.fromCodePoint(seen(byte) ? byte : next++)
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const [, , folder, name = 'hidden64'] = argv
  if (folder === undefined || !Object.hasOwn(SHAPES, name)) {
    console.error(`usage: node tiny-checkpoint.mjs DIR [${Object.keys(SHAPES).join('|')}]`)
    process.exit(2)
  }
  console.log(await tinyCheckpoint(folder, name))
}
