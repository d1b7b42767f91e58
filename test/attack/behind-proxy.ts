/** Asks one server, guarded and by the fetch of Node.js, and prints whether the guarded request was answered. */
import { ask, httpAdapter, localSettings } from "../executors/http/local-server.ts";

const [, , hostPort = ""] = process.argv;
const url = `http://${hostPort}/`;
const { ok } = await ask(httpAdapter(), { method: "GET", url }, { settings: localSettings([hostPort]) });
// the proxy answers nothing: that it was asked is what the test looks at
await fetch(url).catch(() => undefined);
process.stdout.write(JSON.stringify({ guarded: ok }));
