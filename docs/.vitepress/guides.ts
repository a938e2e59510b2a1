// The guides of the site, in the order in which they are read. Every page of docs/ is in one group, and no other.

export interface GuideGroup {
  readonly text: string
  /** File names in docs/, without `.md`, with what the sidebar calls them. */
  readonly pages: Readonly<Record<string, string>>
}

export const guideGroups: readonly GuideGroup[] = [
  {
    text: 'Use',
    pages: {
      start: 'Start',
      'structured-output': 'Structured output',
      'logits-processors': 'Logits processors',
      'tools-and-bindings': 'Tools, AI SDK, LangChain',
      'speculative-decoding': 'Speculative decoding',
      embeddings: 'Embeddings, scores, rankings',
      'models-by-name': 'Models by name',
      gguf: 'GGUF files',
      quantisation: 'Quantised checkpoints',
      architectures: 'Architectures',
    },
  },
  {
    text: 'Serve',
    pages: { serve: 'The server', deploy: 'Deploy', measure: 'Measure' },
  },
  {
    text: 'Run anywhere',
    pages: { browser: 'Browser', 'deno-and-bun': 'Deno and Bun', electron: 'Electron' },
  },
  {
    text: 'Frameworks',
    pages: {
      'choose-a-framework': 'Choose a framework',
      'write-a-plugin': 'Write a plugin',
      rfc: "The RFC's promises",
    },
  },
  {
    text: 'Come from',
    pages: {
      'from-vllm': 'Python vLLM',
      'from-node-llama-cpp': 'node-llama-cpp',
      'from-transformers-js': 'transformers.js',
    },
  },
]
