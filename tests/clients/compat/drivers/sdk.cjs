// The AWS SDK for JavaScript v3: reads commands, one a line of JSON, and answers each with a line.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { pipeline } = require("node:stream/promises");

const told = JSON.parse(process.env.PALISADE_TOLD);
// A bundle has a name for each package; a directory has the packages themselves.
const bundle = fs.statSync(told.sdk).isFile() && require(told.sdk);
const load = (name) =>
  bundle ? bundle[name.replace(/^client-/, "").replaceAll("-", "")] : require(path.join(told.sdk, "node_modules", "@aws-sdk", name));

const { S3Client, GetObjectCommand, PutObjectCommand, DeleteObjectCommand, paginateListObjectsV2 } = load("client-s3");
const { Upload } = load("lib-storage");

const settings = {
  endpoint: told.endpoint, region: told.region, maxAttempts: 1,
  credentials: { accessKeyId: told.key, secretAccessKey: "unused", sessionToken: told.proof },
};
const s3 = new S3Client({ ...settings, forcePathStyle: true });
const Bucket = told.bucket;

const operations = {
  async version() {
    const [[, version]] = await s3.config.defaultUserAgentProvider();
    return version;
  },
  async put({ source, key }) {
    const small = fs.statSync(source).size <= told.part;
    if (small) return void (await s3.send(new PutObjectCommand({ Bucket, Key: key, Body: fs.readFileSync(source) })));
    await new Upload({ client: s3, params: { Bucket, Key: key, Body: fs.createReadStream(source) }, partSize: told.part, queueSize: 2 }).done();
  },
  async stream({ source, key }) {
    await s3.send(new PutObjectCommand({ Bucket, Key: key, Body: fs.createReadStream(source), ContentLength: fs.statSync(source).size }));
  },
  async get({ key, destination }) {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: key }));
    await pipeline(Body, fs.createWriteStream(destination));
  },
  async list({ prefix }) {
    const keys = [];
    for await (const page of paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket, Prefix: prefix }))
      keys.push(...(page.Contents ?? []).map((entry) => entry.Key));
    return keys;
  },
  async delete({ key }) {
    await s3.send(new DeleteObjectCommand({ Bucket, Key: key }));
  },
  // Any other call: `service` as its package is called, `command` as its class is.
  async call({ service, command, input }) {
    const sdk = load(`client-${service}`);
    const [Client] = Object.keys(sdk).filter((name) => /^[A-Z]\w*Client$/.test(name) && name !== "__Client").map((name) => sdk[name]);
    const { $metadata, ...output } = await new Client(settings).send(new sdk[`${command}Command`](revive(input)));
    return JSON.parse(JSON.stringify(output, plain));
  },
};

// Bytes go in and come out as {"bytes": base64}.
const revive = (value) => {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.bytes === "string") return Buffer.from(value.bytes, "base64");
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, revive(inner)]));
};
function plain(name) {
  const value = this[name];
  return value instanceof Uint8Array ? { bytes: Buffer.from(value).toString("base64") } : value;
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { operation, ...command } = JSON.parse(line);
    let answer;
    try {
      answer = { result: (await operations[operation](command)) ?? null };
    } catch (error) {
      answer = { error: `${error.name}: ${error.message}` };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
})();
