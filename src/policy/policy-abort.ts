/** A module stopped itself: a runtime error of the policy, or its memory is used up. */
export class PolicyAbort extends Error {
  override readonly name = "PolicyAbort";
  readonly isOutOfMemory: boolean;
  constructor(message: string) {
    super(message);
    // opa_malloc's own words (wasm/src/malloc.c); a module that lies about it gets another word for the same deny
    this.isOutOfMemory = message.startsWith("opa_malloc:");
  }
}
