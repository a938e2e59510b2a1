// JSON as Python writes it: `json.dump` has words for numbers that JSON has none for, and configurations of models have them.

/** A text, or such a word; texts are matched so that a word in one of them is not. */
const TEXT_OR_WORD = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/gs

/**
 * The value in a model's file; `Infinity`, `-Infinity` and `NaN` become texts, which no field that wants a number takes.
 * @throws SyntaxError for everything else that is not JSON.
 */
export function parseModelJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const quoted = text.replace(TEXT_OR_WORD, found => (found.startsWith('"') ? found : `"${found}"`))
    if (quoted === text) throw error
    return JSON.parse(quoted)
  }
}
