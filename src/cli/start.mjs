/**
 * What `npm start` and `npm test` call: installs dependencies where they are missing, looks for bubblewrap, then goes on
 * with the project's own Node.js.
 *
 *   start.mjs [--demo-only | --no-demo]   serves, with the sample run on an empty store
 *   start.mjs --test [files …]            runs the tests
 *   start.mjs --install                   installs dependencies, if they are missing, and ends
 *
 * Plain JavaScript for Node 20; installs nothing outside the project but, for tests as root with apt, bubblewrap.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { COMPILE_CACHE, findNode, ROOT, runNode } from "./own-node.mjs";

const args = process.argv.slice(2);
process.chdir(ROOT);
process.exitCode = await begin();

async function begin() {
  if (!installDependencies()) return 1;
  if (args[0] === "--install") return 0;
  return args[0] === "--test" ? test(args.slice(1)) : start(args);
}

async function start(options) {
  if (process.platform === "linux" && !hasBubblewrap()) {
    process.stderr.write(
      `bubblewrap is not installed: process steps are refused (sandbox_unavailable)\n  install it: ${bubblewrapCommand()}\n`,
    );
  }
  return runOwn([join(ROOT, "src", "cli", "bin.mjs"), "serve", "--demo", ...options]);
}

async function test(files) {
  if (!provideBubblewrap()) return 1;
  // hundreds of files run in processes of their own, and most of them load the same modules
  process.env.NODE_COMPILE_CACHE ??= COMPILE_CACHE;
  return runOwn([realpathSync(join(ROOT, "node_modules", ".bin", "tap")), ...files]);
}

async function runOwn(script) {
  const node = findNode();
  if (node !== undefined) return runNode(node, script);
  process.stderr.write(
    "error: the dependency `node` has no program: npm did not run its install script\n  run: npm ci --foreground-scripts\n",
  );
  return 1;
}

/** Runs `npm ci` when node_modules is missing or older than the lock file; npm writes its own copy of the lock last. */
function installDependencies() {
  const installedMs = modifiedMs(join("node_modules", ".package-lock.json"));
  if (installedMs >= modifiedMs("package-lock.json") && findNode() !== undefined) return true;
  process.stdout.write("installing dependencies into node_modules (once, about a minute) …\n");
  const npm = process.env.npm_execpath;
  const [program, first] = npm === undefined ? ["npm", []] : [process.execPath, [npm]];
  const ran = spawnSync(program, [...first, "ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (ran.status === 0) return buildTestRunner();
  process.stderr.write("error: dependencies were not installed\n  run `npm ci` to see why\n");
  return false;
}

/** tap compiles itself for the plugins of .taprc once; unbuilt, it would compile the tests with a plugin we leave out. */
function buildTestRunner() {
  const node = findNode();
  const tap = join("node_modules", ".bin", "tap");
  if (node === undefined) return true;
  const ran = spawnSync(node, [realpathSync(tap), "build"], {
    stdio: "ignore",
    env: { ...process.env, PATH: `${join(ROOT, "node_modules", ".bin")}${delimiter}${process.env.PATH ?? ""}` },
  });
  if (ran.status === 0) return true;
  process.stderr.write("error: the test runner could not be built\n  run `npx tap build` to see why\n");
  return false;
}

function modifiedMs(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** The tests of the sandbox need it. As root with apt it is installed here; nobody else is asked for a password. */
function provideBubblewrap() {
  if (process.platform !== "linux" || hasBubblewrap()) return true;
  if (process.geteuid() === 0 && spawnSync("apt-get", ["--version"]).status === 0) {
    process.stdout.write("installing bubblewrap with apt-get, which the tests of the sandbox need …\n");
    const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    for (const step of [
      ["update", "-qq"],
      ["install", "-y", "-qq", "--no-install-recommends", "bubblewrap"],
    ]) {
      spawnSync("apt-get", step, { stdio: ["ignore", "ignore", "inherit"], env: environment });
    }
    if (hasBubblewrap()) return true;
  }
  process.stderr.write(`error: the tests need bubblewrap\n  install it: ${bubblewrapCommand()}\n`);
  return false;
}

function hasBubblewrap() {
  return ["/usr/bin/bwrap", "/bin/bwrap", "/usr/local/bin/bwrap"].some(isExecutable);
}

function bubblewrapCommand() {
  const managers = [
    ["/usr/bin/apt-get", "sudo apt-get install bubblewrap"],
    ["/usr/bin/dnf", "sudo dnf install bubblewrap"],
    ["/usr/bin/pacman", "sudo pacman -S bubblewrap"],
    ["/sbin/apk", "sudo apk add bubblewrap"],
    ["/usr/bin/zypper", "sudo zypper install bubblewrap"],
  ];
  return managers.find(([path]) => isExecutable(path))?.[1] ?? "install the package bubblewrap of your system";
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
