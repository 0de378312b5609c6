// An application that serves many tenants behind Palisade, with the AWS SDK for JavaScript v3.
//
// usage: BUCKET=... [PORT=8080] [PALISADE_EGRESS=http://127.0.0.1:8180] node objects.mjs     needs: npm install @aws-sdk/client-s3
import { createServer } from "node:http";
import { ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";

const { BUCKET, PORT = "8080", AWS_REGION = "eu-west-1", PALISADE_EGRESS = "http://127.0.0.1:8180" } = process.env;

// One client for its connections and settings; a client a request shares them and brings that request's credentials.
const shared = new S3Client({ endpoint: PALISADE_EGRESS, region: AWS_REGION, forcePathStyle: true, credentials: { accessKeyId: "unused", secretAccessKey: "unused" } });

function s3(headers) {
  return new S3Client({
    endpoint: PALISADE_EGRESS,
    region: AWS_REGION,
    forcePathStyle: true,
    requestHandler: shared.config.requestHandler,
    credentials: {
      accessKeyId: `tenant.${headers["x-tenant-id"]}`,
      secretAccessKey: "unused",
      sessionToken: headers["x-palisade-passport"],
    },
  });
}

createServer(async (request, response) => {
  try {
    const prefix = `${request.headers["x-tenant-id"]}/`;
    const page = await s3(request.headers).send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: prefix }));
    response.end((page.Contents ?? []).map((object) => `${object.Key}\n`).join(""));
  } catch (error) {
    // Refusals of Palisade's and of AWS's come as the same typed errors.
    response.statusCode = error.$metadata?.httpStatusCode ?? 500;
    response.end(error.name);
  }
}).listen(Number(PORT), "127.0.0.1");
