// An application that serves many tenants behind Palisade, with the AWS SDK for Java 2.x.
// Needs software.amazon.awssdk:s3 and software.amazon.awssdk:url-connection-client on the class path; BUCKET in the environment.
// PUT /NAME with a body stores an object, GET /NAME reads it, GET / lists.

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import software.amazon.awssdk.auth.credentials.AnonymousCredentialsProvider;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.AwsRequestOverrideConfiguration;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.model.S3Object;

public final class Objects {
    private static final String BUCKET = System.getenv("BUCKET");

    /** One client for the process. It has no credentials of its own: a call without {@link #of} is refused. */
    private static final S3Client S3 = S3Client.builder()
            .endpointOverride(URI.create(env("PALISADE_EGRESS", "http://127.0.0.1:8180")))
            .region(Region.of(env("AWS_REGION", "eu-west-1")))
            .forcePathStyle(true)
            .credentialsProvider(AnonymousCredentialsProvider.create())
            .build();

    /** The tenant and the passport of one request, for the calls that are made for it: a provider of their own, never a cached one. */
    private static AwsRequestOverrideConfiguration of(HttpExchange exchange) {
        var headers = exchange.getRequestHeaders();
        var credentials = AwsSessionCredentials.create(
                "tenant." + headers.getFirst("x-tenant-id"), "unused", headers.getFirst("x-palisade-passport"));
        return AwsRequestOverrideConfiguration.builder()
                .credentialsProvider(StaticCredentialsProvider.create(credentials))
                .build();
    }

    private static byte[] objects(HttpExchange exchange) throws IOException {
        var tenant = exchange.getRequestHeaders().getFirst("x-tenant-id");
        var name = exchange.getRequestURI().getPath().substring(1);
        if (exchange.getRequestMethod().equals("PUT")) {
            var sent = RequestBody.fromBytes(exchange.getRequestBody().readAllBytes());
            S3.putObject(r -> r.bucket(BUCKET).key(tenant + "/" + name).overrideConfiguration(of(exchange)), sent);
            return new byte[0];
        }
        if (!name.isEmpty()) {
            return S3.getObjectAsBytes(r -> r.bucket(BUCKET).key(tenant + "/" + name).overrideConfiguration(of(exchange))).asByteArray();
        }
        var page = S3.listObjectsV2(r -> r.bucket(BUCKET).prefix(tenant + "/").overrideConfiguration(of(exchange)));
        return page.contents().stream().map(S3Object::key).collect(Collectors.joining("\n", "", "\n")).getBytes(StandardCharsets.UTF_8);
    }

    private static void handle(HttpExchange exchange) throws IOException {
        int status = 200;
        byte[] body;
        try {
            body = objects(exchange);
        } catch (S3Exception refused) {
            // Refusals of Palisade's and of AWS's come as the same typed errors.
            status = refused.statusCode();
            body = refused.awsErrorDetails().errorCode().getBytes(StandardCharsets.UTF_8);
        }
        // To this server a length of 0 means chunked, and -1 means no body.
        exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    private static String env(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    public static void main(String[] arguments) throws IOException {
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(env("PORT", "8080"))), 0);
        server.createContext("/", Objects::handle);
        server.setExecutor(Executors.newCachedThreadPool());
        server.start();
    }
}
