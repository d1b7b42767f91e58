/**
 * Says what is under way on standard error: a line rewritten in a terminal, a line every two seconds elsewhere.
 */
export interface Progress {
  readonly show: (name: string, share: number) => void;
  readonly clear: () => void;
}

const PIPE_INTERVAL_MS = 2000;

export function makeProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  let shownMs = performance.now();
  return {
    show: (name, share) => {
      const text = `${name} ${Math.min(100, Math.floor(share * 100))} %`;
      if (stream.isTTY) stream.write(`\r\u001b[K${text}`);
      else if (performance.now() - shownMs >= PIPE_INTERVAL_MS) {
        shownMs = performance.now();
        stream.write(`${text}\n`);
      }
    },
    clear: () => {
      if (stream.isTTY) stream.write("\r\u001b[K");
    },
  };
}
