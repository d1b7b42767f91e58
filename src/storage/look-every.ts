/**
 * Looks at something again and again, one look at a time: one that takes long is not joined by the next.
 *
 * In: a look that handles its own errors. Out: what ends it. Not here: what is looked at (watch-*.ts).
 */

/** Looks every `everyMs`, and at once too where `isAtOnce`; the function returned stops it after the look that is under way. */
export function lookEvery(
  { everyMs, isAtOnce }: { readonly everyMs: number; readonly isAtOnce: boolean },
  look: () => Promise<void>,
): () => Promise<void> {
  let looking: Promise<void> | undefined;
  const start = (): void => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
  };
  if (isAtOnce) start();
  const timer = setInterval(start, everyMs);
  return async () => {
    clearInterval(timer);
    await looking;
  };
}
