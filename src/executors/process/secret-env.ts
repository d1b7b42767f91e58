/**
 * Secrets as variables of a program's environment: which names they may have.
 *
 * A variable that says what is loaded, run or looked up is no place for a value: it would change the program, not inform it.
 * Not here: how they get there without standing in an argument vector (confine.ts).
 */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import type { SecretUse } from "../contract.ts";

const ENV_NAME = /^[A-Z_][A-Z0-9_]{0,63}$/;
/** Read by the loader, the C library, shells and interpreters before or instead of the program. */
const STEERING: ReadonlySet<string> = new Set([
  ...["HOME", "LANG", "LANGUAGE", "PATH", "PWD", "SHELL", "TMPDIR", "TZ", "TZDIR", "USER", "LOGNAME", "IFS", "ENV"],
  ...["CDPATH", "SHELLOPTS", "PROMPT_COMMAND", "PS4", "LOCPATH", "NLSPATH", "HOSTALIASES", "RESOLV_HOST_CONF"],
  ...["NODE_OPTIONS", "NODE_PATH", "NODE_EXTRA_CA_CERTS", "NODE_V8_COVERAGE", "NODE_TLS_REJECT_UNAUTHORIZED"],
  ...["RUBYOPT", "RUBYLIB", "CLASSPATH", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "LUA_PATH"],
  ...["LUA_CPATH", "PHPRC", "GIT_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_EXEC_PATH", "SSL_CERT_FILE"],
  ...["SSL_CERT_DIR", "OPENSSL_CONF", "EDITOR", "VISUAL", "PAGER", "BROWSER"],
]);
const STEERING_PREFIXES = [
  "LD_",
  "DYLD_",
  "GLIBC_",
  "GCONV_",
  "MALLOC_",
  "LC_",
  "BASH",
  "PERL",
  "PYTHON",
  "GIT_CONFIG",
];

export const PROCESS_SECRETS: SecretUse = {
  as: "env",
  nameFault: (name) => {
    if (!ENV_NAME.test(name)) return "no name of a variable: capital letters, digits and _";
    const isSteering = STEERING.has(name) || STEERING_PREFIXES.some((prefix) => name.startsWith(prefix));
    return isSteering ? "this variable says what is run, and is no secret's" : undefined;
  },
  nameOf: (name) => name,
  namesIn: ({ env }: JsonObject) => (isJsonObject(env) ? Object.keys(env) : []),
  refusals: () => [],
};
