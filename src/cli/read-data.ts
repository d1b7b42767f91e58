/**
 * Members of an event's data, which may have come from a newer gateway: read by type, absent when of another.
 */
export type Data = Readonly<Record<string, unknown>>;

export function textOf(data: Data, name: string): string | undefined {
  const value = data[name];
  return typeof value === "string" ? value : undefined;
}

export function countOf(data: Data, name: string): number {
  const value = data[name];
  return typeof value === "number" ? value : 0;
}

export function textsOf(data: Data, name: string): readonly string[] {
  const value = data[name];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

export function dataOf(data: Data, name: string): Data {
  const value = data[name];
  return isData(value) ? value : {};
}

function isData(value: unknown): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
