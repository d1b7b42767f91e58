/**
 * A tenant's settings of `process`: which programs, how isolated, within which limits (spec 09).
 *
 * In: what an operator put. Out: complete settings, every limit with a value. Not here: whether a program is what it is
 * listed as (find-program.ts).
 */
import Type, { type Static } from "typebox";
import { DIGEST_PATTERN, NAME_PATTERN } from "../../core/ids.ts";
import { type IsolationLevel, isAtLeast } from "../../core/isolation.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { closed, integer, makeReader, oneOf, type Read } from "../schema.ts";

const MIB = 1_048_576;
/** Levels a floor may name; `none` is no floor that a program may run under. */
const FLOORS = ["process", "namespaces", "namespaces+seccomp+uid", "wasm", "vm"] as const satisfies IsolationLevel[];

const Program = Type.Object(
  {
    path: Type.String({
      pattern: "^(/[^/]+)+$",
      maxLength: 1024,
      description: "Absolute path of the file itself; a link is refused.",
    }),
    sha256: Type.Optional(Type.String({ pattern: DIGEST_PATTERN, description: "Digest the file must have." })),
    env: Type.Optional(
      Type.Array(Type.String({ pattern: "^[A-Z_][A-Z0-9_]{0,63}$" }), {
        maxItems: 32,
        description: "Names that a step may set in the program's environment. Default none.",
      }),
    ),
    fixed_args: Type.Optional(
      Type.Array(Type.String({ maxLength: 4096 }), { maxItems: 64, description: "Put before the step's arguments." }),
    ),
    max_args: Type.Optional(integer(0, 1024, "Most arguments that a step may give. Default 64.")),
  },
  { ...closed, description: "One program." },
);
export type Program = Read<Static<typeof Program>>;

const Limits = Type.Object(
  {
    wall_ms: Type.Optional(integer(1, 3_600_000, "Milliseconds until it is stopped. Default 30 000.")),
    cpu_s: Type.Optional(integer(1, 3600, "CPU seconds of one process. Default 10.")),
    memory_bytes: Type.Optional(
      integer(16 * MIB, 2 ** 40, "Private memory of one process. Default 256 MiB; Node.js needs 1 GiB."),
    ),
    processes: Type.Optional(integer(1, 1024, "Processes and threads at once. Default 32.")),
    output_bytes: Type.Optional(integer(0, 8 * MIB, "Bytes of stdout and stderr together. Default 1 MiB.")),
    file_bytes: Type.Optional(integer(65_536, 2 ** 40, "Bytes of one file, and of /tmp. Default 16 MiB.")),
  },
  { ...closed, description: "Bounds of one run; each has a value whether it is given or not." },
);
export type ProcessLimits = Required<Read<Static<typeof Limits>>>;

export const ProcessSettingsSchema = Type.Object(
  {
    programs: Type.Record(Type.String({ pattern: NAME_PATTERN }), Program, {
      ...closed,
      description: "Programs by name.",
    }),
    min_isolation: Type.Optional(
      oneOf(FLOORS, "Weakest isolation a program may run in. Default the strongest that this service can give."),
    ),
    limits: Type.Optional(Limits),
  },
  closed,
);

export interface ProcessSettings {
  readonly programs: { readonly [name: string]: Program };
  readonly minIsolation: IsolationLevel;
  readonly limits: ProcessLimits;
}

const DEFAULT_LIMITS: ProcessLimits = {
  wall_ms: 30_000,
  cpu_s: 10,
  memory_bytes: 256 * MIB,
  processes: 32,
  output_bytes: MIB,
  file_bytes: 16 * MIB,
};

/** What a tenant has that set nothing: three programs that touch nothing. */
export const DEFAULT_PROCESS_SETTINGS: JsonObject = {
  programs: { echo: { path: "/usr/bin/echo" }, cat: { path: "/usr/bin/cat" }, sort: { path: "/usr/bin/sort" } },
};

/**
 * Makes the reader of settings; undefined when they are not of the schema's form.
 *
 * `defaultFloor` holds where no floor was set: the strongest level that this kind of service can give at all.
 */
export function makeReadProcessSettings(
  defaultFloor: IsolationLevel,
): (settings: JsonValue) => ProcessSettings | undefined {
  const read = makeReader(ProcessSettingsSchema);
  return (value) => {
    const settings = read(value);
    if (settings === undefined) return undefined;
    const { programs, min_isolation: minIsolation = defaultFloor, limits } = settings;
    return { programs, minIsolation, limits: { ...DEFAULT_LIMITS, ...limits } };
  };
}

/** The stronger of two levels. */
export function stronger(a: IsolationLevel, b: IsolationLevel): IsolationLevel {
  return isAtLeast(a, b) ? a : b;
}
