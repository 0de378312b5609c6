// Loaded by `node --import`: lets a program's `@aws-sdk/*` come from where PALISADE_AWS_SDK_JS says, and not from beside the program.
// It names a directory with `node_modules`, or a CommonJS file that exports one namespace a package (`s3` for `@aws-sdk/client-s3`).
import { statSync } from "node:fs";
import { createRequire, register } from "node:module";
import { pathToFileURL } from "node:url";
import { isMainThread } from "node:worker_threads";

const sdk = process.env.PALISADE_AWS_SDK_JS;
const inDirectory = statSync(sdk).isDirectory();
const [PREFIX, BUNDLED] = ["@aws-sdk/", "bundled:"];

/** `@aws-sdk/client-secrets-manager` is `secretsmanager` there. */
const namespace = (specifier) => specifier.slice(PREFIX.length).replace(/^client-/, "").replaceAll("-", "");

export function resolve(specifier, context, next) {
  if (!specifier.startsWith(PREFIX) || context.parentURL?.includes("/node_modules/")) return next(specifier, context);
  if (inDirectory) return next(specifier, { ...context, parentURL: pathToFileURL(`${sdk}/main.mjs`).href });
  return { url: BUNDLED + namespace(specifier), format: "module", shortCircuit: true };
}

export function load(url, context, next) {
  if (!url.startsWith(BUNDLED)) return next(url, context);
  const [name, file] = [url.slice(BUNDLED.length), JSON.stringify(sdk)];
  const exported = Object.keys(createRequire(import.meta.url)(sdk)[name]).filter((key) => key !== "default");
  const source = `import { createRequire } from "node:module"; export const { ${exported.join(", ")} } = createRequire(${file})(${file}).${name};`;
  return { format: "module", source, shortCircuit: true };
}

// The hooks run in a thread of their own, which loads this file once more.
if (isMainThread) register(import.meta.url);
