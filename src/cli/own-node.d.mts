/** What TypeScript needs to know of own-node.mjs. */
export declare const NODE_FLAGS: readonly string[];
