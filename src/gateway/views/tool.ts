/**
 * Tools and executors: what is registered, by what is sent and what is seen (spec 09).
 *
 * Not here: an adapter's settings schema, which the adapter owns and the use case checks.
 */
import Type from "typebox";
import { ISOLATION_LEVELS } from "../../core/isolation.ts";
import { SECRET_PLACES } from "../../core/secret.ts";
import { EFFECT_CLASSES } from "../../core/tool.ts";
import {
  anyObject,
  closedObject,
  count,
  digest,
  name,
  named,
  oneOf,
  page,
  ref,
  text,
  time,
  type View,
} from "./schema.ts";

/** Nine digits, as the query that asks for one. */
const MAX_VERSION = 999_999_999;

const version = Type.Integer({
  minimum: 1,
  maximum: MAX_VERSION,
  description: "Grows with every change; an old version is never edited.",
});

const toolFields = {
  executor: Type.String({
    pattern: "^[a-z][a-z0-9_]{0,63}$",
    description: "Step type that performs it; any but `tool`.",
  }),
  config: anyObject(
    'The executor\'s inputs. `{"$argument": "<name>"}` stands for an argument, `{"$arguments": true}` for all, `{"$url": "https://host/a/{name}"}` for a URL with arguments after its host.',
  ),
  input_schema: anyObject(
    "JSON Schema 2020-12 of the arguments, checked before *decide*. References within it only; patterns in RE2 syntax.",
  ),
  output_schema: Type.Optional(anyObject("JSON Schema 2020-12 of the output.")),
  effects: Type.Optional(oneOf(EFFECT_CLASSES, "What it does to the world. Default `write`.")),
  idempotent: Type.Optional(
    Type.Boolean({
      description:
        "Doing it twice is doing it once. Default false: what writes and is not idempotent is not done again after an attempt that was lost.",
    }),
  ),
  min_isolation: Type.Optional(oneOf(ISOLATION_LEVELS, "Weakest isolation it may run in.")),
  egress: Type.Optional(
    Type.Array(Type.String({ maxLength: 260 }), { maxItems: 64, description: "Hosts it may reach." }),
  ),
  secrets: Type.Optional(
    Type.Array(
      closedObject(
        {
          name: Type.String({ minLength: 1, maxLength: 64, description: "The variable's or the header's name." }),
          ref: name("Which of the tenant's secrets; never a value."),
          as: oneOf(SECRET_PLACES, "How it is handed over: `env` by `process`, `header` by `http`."),
        },
        "A secret by reference.",
      ),
      {
        maxItems: 32,
        description: "What its executor is handed when it is called, and nobody else sees: no pack, record or log.",
      },
    ),
  ),
  defaults: Type.Optional(
    closedObject(
      {
        tokens: Type.Optional(count("Tokens.")),
        usd_micros: Type.Optional(count("Money in micro-USD.")),
        deadline_ms: Type.Optional(count("Milliseconds.")),
      },
      "For steps that name none.",
    ),
  ),
  limits: Type.Optional(
    closedObject(
      {
        calls: Type.Optional(count("Calls: one, the most that a step makes.", 1)),
        tokens: Type.Optional(count("Tokens.")),
        usd_micros: Type.Optional(count("Money in micro-USD.")),
        wall_ms: Type.Optional(count("Milliseconds.")),
        bytes_out: Type.Optional(count("Bytes.")),
      },
      "Most that one step may take.",
    ),
  ),
};

export const ToolSubmission = named(
  "ToolSubmission",
  {
    version: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_VERSION,
        description: "Above the newest. Default: the newest where nothing changed, else the next.",
      }),
    ),
    ...toolFields,
  },
  "A tool's definition.",
);
export type ToolSubmission = View<typeof ToolSubmission>;

export const ToolView = named(
  "ToolView",
  {
    name: name("The tool's name."),
    digest: digest("SHA-256 of the definition's canonical form; in every decision, token and record."),
    created_at: time("When this version was made."),
    version,
    ...toolFields,
    versions: Type.Optional(
      Type.Array(
        closedObject(
          {
            version: count("Its number.", 1),
            digest: digest("SHA-256 of its definition."),
            created_at: time("When it was made."),
          },
          "One version.",
        ),
        { description: "The newest hundred, newest first; where one tool is asked for." },
      ),
    ),
  },
  "One version of a tool.",
);
export type ToolView = View<typeof ToolView>;

export const ToolPage = page("ToolPage", ref(ToolView), "The newest version of each tool, by name.");
export type ToolPage = View<typeof ToolPage>;

/** Checked by the adapter's own schema, which `ExecutorView.settings_schema` shows. */
export const ExecutorSettings = Object.assign(
  anyObject("A tenant's settings of one step type; their schema is the adapter's."),
  { $id: "ExecutorSettings" },
);

export const ExecutorView = named(
  "ExecutorView",
  {
    type: text("The step type it serves."),
    version: text("The adapter's version."),
    summary: text("What it does."),
    effects: oneOf(EFFECT_CLASSES, "What it does to the world."),
    isolation: oneOf(ISOLATION_LEVELS, "The strongest isolation that its self-test proved."),
    settings: anyObject("The tenant's settings, or the closed defaults."),
    secrets: Type.Optional(oneOf(SECRET_PLACES, "How it hands over a tool's secrets. Absent: it takes none.")),
    settings_version: count("0 while the defaults stand."),
    settings_schema: anyObject("JSON Schema 2020-12 of the settings."),
    inputs_schema: anyObject("JSON Schema 2020-12 of `inputs`."),
  },
  "An executor as this tenant has it.",
);
export type ExecutorView = View<typeof ExecutorView>;

export const ExecutorPage = page("ExecutorPage", ref(ExecutorView), "Executors by type.");
export type ExecutorPage = View<typeof ExecutorPage>;
