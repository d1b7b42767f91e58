/** `$1, $2, … $count`: the columns of a batch are many. */
export const places = (count: number): string =>
  Array.from({ length: count }, (_, index) => `$${index + 1}`).join(", ");
