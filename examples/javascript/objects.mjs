// An application that serves many tenants behind Palisade, with the AWS SDK for JavaScript v3.
//
// usage: BUCKET=... [PORT=8080] [PALISADE_EGRESS=http://127.0.0.1:8180] node objects.mjs
// needs: npm install @aws-sdk/client-s3 @aws-sdk/client-dynamodb
//   PUT /NAME with a body stores an object, GET /NAME reads it, GET / lists; PUT and GET /orders/NAME: an item of the table orders-TENANT
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const { BUCKET, PORT = "8080", AWS_REGION = "eu-west-1", PALISADE_EGRESS = "http://127.0.0.1:8180" } = process.env;

// A client resolves its credentials once and keeps them, also those of a function: one client for all tenants would sign
// everybody's requests with what it resolved first. So there is a client a request. They share one handler, which has the
// connections and knows no credentials; it must live as long as the process, so the clients are not destroyed.
const placeholder = { accessKeyId: "unused", secretAccessKey: "unused" };
const { requestHandler } = new S3Client({ region: AWS_REGION, credentials: placeholder }).config;

/** What a client of any service is made with for one request. */
function forRequest({ headers }) {
  return {
    endpoint: PALISADE_EGRESS,
    region: AWS_REGION,
    requestHandler,
    credentials: {
      accessKeyId: `tenant.${headers["x-tenant-id"]}`,
      secretAccessKey: "unused",
      sessionToken: headers["x-palisade-passport"],
    },
  };
}

async function objects(request, tenant, name) {
  const s3 = new S3Client({ ...forRequest(request), forcePathStyle: true });
  const object = { Bucket: BUCKET, Key: `${tenant}/${name}` };
  if (request.method === "PUT") {
    await s3.send(new PutObjectCommand({ ...object, Body: await buffer(request) }));
    return "";
  }
  if (name) return (await s3.send(new GetObjectCommand(object))).Body.transformToByteArray();
  const page = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: `${tenant}/` }));
  return (page.Contents ?? []).map(({ Key }) => `${Key}\n`).join("");
}

async function orders(request, tenant, name) {
  const dynamodb = new DynamoDBClient(forRequest(request));
  const [TableName, Key] = [`orders-${tenant}`, { pk: { S: `${tenant}#${name}` }, sk: { S: "0" } }];
  if (request.method === "PUT") {
    await dynamodb.send(new PutItemCommand({ TableName, Item: { ...Key, text: { S: String(await buffer(request)) } } }));
    return "";
  }
  return (await dynamodb.send(new GetItemCommand({ TableName, Key }))).Item?.text.S ?? "";
}

createServer(async (request, response) => {
  const [, name, order] = request.url.split("/");
  const tenant = request.headers["x-tenant-id"];
  try {
    response.end(await (order ? orders(request, tenant, order) : objects(request, tenant, name)));
  } catch (error) {
    // Refusals of Palisade's and of AWS's come as the same typed errors.
    response.statusCode = error.$metadata?.httpStatusCode ?? 500;
    response.end(error.name);
  }
}).listen(Number(PORT), "127.0.0.1");
