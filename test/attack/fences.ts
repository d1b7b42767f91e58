/**
 * The fences of the strongest level, each with the way to take it away from a start: a test may then show which attack it
 * holds. Nothing of the product can do this.
 */
import type { Start } from "../../src/executors/process/confine.ts";

interface Planted {
  /** A folder of the host that no sandbox shows. */
  readonly folder: string;
}

type Args = readonly string[];

/** These options of bubblewrap, wherever they stand, replaced by others. */
function replaced(args: Args, from: Args, to: Args): Args {
  const at = args.findIndex((_, index) => from.every((word, offset) => args[index + offset] === word));
  if (at < 0) throw new TypeError(`no ${from.join(" ")} to take away`);
  return [...args.slice(0, at), ...to, ...args.slice(at + from.length)];
}

/** Before what turns read-only last. */
function inserted(args: Args, options: Args): Args {
  const at = args.includes("--remount-ro") ? args.indexOf("--remount-ro") : args.indexOf("--chdir");
  return [...args.slice(0, at), ...options, ...args.slice(at)];
}

function withoutRlimits(args: Args): Args {
  const prlimit = args.indexOf("--") + 1;
  const program = args.indexOf("--", prlimit) + 1;
  return [...args.slice(0, prlimit), ...args.slice(program)];
}

const change = (edit: (args: Args, planted: Planted) => Args) => (start: Start, planted: Planted) => ({
  ...start,
  args: edit(start.args, planted),
});

const FENCES = {
  /** Only what was listed of the host's files is seen, and none of it can be written. */
  binds: change((args, { folder }) =>
    inserted(replaced(args, ["--ro-bind", "/usr", "/usr"], ["--ro-bind", "/etc", "/etc", "--bind", "/usr", "/usr"]), [
      "--bind",
      folder,
      folder,
    ]),
  ),
  /** A uid of its own outside the sandbox. */
  uid: (start: Start) => ({ ...start, uid: undefined }),
  network: change((args) => replaced(args, ["--unshare-all"], ["--unshare-all", "--share-net"])),
  pids: change((args) =>
    replaced(
      replaced(args, ["--unshare-all"], ["--unshare-ipc", "--unshare-net", "--unshare-uts"]),
      ["--proc", "/proc"],
      ["--ro-bind", "/proc", "/proc"],
    ),
  ),
  filter: (start: Start) => ({
    ...start,
    filter: undefined,
    args: replaced(start.args, ["--seccomp", "3"], []),
  }),
  nested: change((args) => replaced(args, ["--disable-userns"], [])),
  capabilities: change((args) => replaced(args, ["--cap-drop", "ALL"], ["--cap-add", "ALL"])),
  read_only: change((args) => replaced(replaced(args, ["--remount-ro", "/dev"], []), ["--remount-ro", "/"], [])),
  devices: change((args) => inserted(args, ["--dir", "/dev/shm", "--tmpfs", "/dev/shm"])),
  tmpfs_size: change((args) => args.filter((word, at) => word !== "--size" && args[at - 1] !== "--size")),
  rlimits: change(withoutRlimits),
  environment: (start: Start) => ({
    ...start,
    env: { ...process.env } as Record<string, string>,
    args: replaced(start.args, ["--clearenv"], []),
  }),
  /** The whole sandbox: what its every namespace holds together. */
  walls: (start: Start): Start => {
    const program = start.args.indexOf("--", start.args.indexOf("--") + 1) + 1;
    const [file = "", ...args] = start.args.slice(program);
    return { ...start, file, args, walls: "plain", filter: undefined, uid: undefined };
  },
} as const satisfies Record<string, (start: Start, planted: Planted) => Start>;

export type Fence = keyof typeof FENCES;

/** The start without these fences; all others stand. */
export function without(fences: readonly Fence[], start: Start, planted: Planted): Start {
  return fences.reduce((left: Start, fence) => FENCES[fence](left, planted), start);
}

export const ALL_FENCES = Object.keys(FENCES) as readonly Fence[];
