/**
 * Writes answers by their schemas, so that nothing goes out that no schema names: Fastify's own writer, each made at its
 * first answer. A start that makes all takes a third of a second longer.
 */
import { SerializerSelector } from "@fastify/fast-json-stringify-compiler";

type SerializerFactory = ReturnType<typeof SerializerSelector>;

export function makeAnswerWriters(): SerializerFactory {
  const makeCompiler = SerializerSelector();
  return (schemas, options) => {
    const compile = makeCompiler(schemas, options);
    return (route) => {
      let write: ReturnType<typeof compile> | undefined;
      return (answer) => {
        write ??= compile(route);
        return write(answer);
      };
    };
  };
}
