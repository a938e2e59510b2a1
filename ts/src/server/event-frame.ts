// Server-sent events as text: one frame an event.

/** The frame that ends every stream of OpenAI's shape. */
export const DONE_FRAME = 'data: [DONE]\n\n'

/** An event without a name, as chat and completion chunks are. JSON has no line breaks, so that one `data:` line is enough. */
export function dataFrame(body: unknown): string {
  return `data: ${JSON.stringify(body)}\n\n`
}

/** A named event, as the streams of responses and messages have them. */
export function eventFrame(name: string, body: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(body)}\n\n`
}
