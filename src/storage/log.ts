/**
 * What this room needs of a log: three levels, fields first, as pino has them.
 *
 * Fields hold ids, counts and paths, never a statement's values. Not here: where log lines go (telemetry/).
 */
export interface StoreLog {
  readonly info: (fields: object, message: string) => void;
  readonly warn: (fields: object, message: string) => void;
  readonly error: (fields: object, message: string) => void;
}
