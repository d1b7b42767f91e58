import t from "tap";
import { serverUserOf } from "../../../src/storage/embedded/server-user.ts";

const NOBODY = "nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin";

t.test("root's server runs as postgres, else nobody, never as root or as a step's executor", async (t) => {
  const files = [
    {
      why: "Debian with PostgreSQL",
      text: `root:x:0:0::/root:/bin/sh\n${NOBODY}\npostgres:x:101:104::/:/bin/sh\n`,
      uid: 101,
    },
    { why: "without PostgreSQL", text: `root:x:0:0::/root:/bin/sh\n${NOBODY}\n`, uid: 65534 },
    { why: "macOS", text: "nobody:*:-2:-2::/var/empty:/usr/bin/false\n_postgres:*:216:216::/:/bin/sh\n", uid: 216 },
    { why: "macOS nobody", text: "nobody:*:-2:-2::/var/empty:/usr/bin/false\n", uid: 4294967294 },
    { why: "postgres is root", text: `postgres:x:0:0::/:/bin/sh\n${NOBODY}\n`, uid: 65534 },
    { why: "postgres has root's group", text: `postgres:x:101:0::/:/bin/sh\n${NOBODY}\n`, uid: 65534 },
    { why: "postgres has an executor's uid", text: `postgres:x:61007:61007::/:/bin/sh\n${NOBODY}\n`, uid: 65534 },
    { why: "a line that is cut", text: `postgres:x:\n${NOBODY}`, uid: 65534 },
    { why: "an empty file", text: "", uid: 65534 },
  ];
  for (const { why, text, uid } of files) t.equal(serverUserOf(text).uid, uid, why);
});
