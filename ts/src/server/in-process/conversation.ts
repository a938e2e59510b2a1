// A conversation as programs in this process write it: camelCase, arguments as values. Bindings to other libraries translate
// their messages into these.

/** A call that the model made. */
export interface ConversationToolCall {
  /** Which call it is: what the tool says refers to it. */
  readonly id: string
  /** The tool that is called. */
  readonly name: string
  /** What the tool was called with: an object, as a rule. */
  readonly arguments: unknown
}

/** One message: of a person or the operator, of the model, or of a tool that was called. */
export type ConversationMessage =
  | { readonly role: 'system' | 'user' | 'developer'; readonly content: string }
  | {
      readonly role: 'assistant'
      readonly content: string
      readonly reasoning?: string
      readonly toolCalls?: readonly ConversationToolCall[]
    }
  | { readonly role: 'tool'; readonly toolCallId: string; readonly name?: string; readonly content: string }
