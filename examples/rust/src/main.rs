//! Lists a tenant's objects through Palisade, the way a handler does that serves many tenants.
//!
//! One client for the process; each call carries the tenant and the passport of the request that it is made for.

use std::{env, error::Error};

use aws_sdk_s3::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
};
use aws_smithy_http_client::Builder as HttpClient;

/// The endpoint is plain HTTP on loopback, so the client needs no TLS.
fn client(egress: &str, region: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(egress)
        .region(Region::new(region.to_owned()))
        .force_path_style(true)
        .http_client(HttpClient::new().build_http())
        .build();
    Client::from_conf(config)
}

/// What one incoming request brought: the headers `x-tenant-id` and `x-palisade-passport`.
struct Caller<'a> {
    tenant: &'a str,
    passport: &'a str,
}

impl Caller<'_> {
    fn credentials(&self) -> Credentials {
        Credentials::new(format!("tenant.{}", self.tenant), "unused", Some(self.passport.to_owned()), None, "palisade")
    }
}

async fn list(client: &Client, caller: &Caller<'_>, bucket: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let page = client
        .list_objects_v2()
        .bucket(bucket)
        .prefix(format!("{}/", caller.tenant))
        .customize()
        .config_override(Config::builder().credentials_provider(caller.credentials()))
        .send()
        .await?;
    Ok(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let variable = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let (tenant, passport) = (variable("TENANT")?, variable("PASSPORT")?);
    let egress = env::var("PALISADE_EGRESS").unwrap_or_else(|_| "http://127.0.0.1:8180".to_owned());
    let region = env::var("AWS_REGION").unwrap_or_else(|_| "eu-west-1".to_owned());
    let caller = Caller { tenant: &tenant, passport: &passport };
    for key in list(&client(&egress, &region), &caller, &variable("BUCKET")?).await? {
        println!("{key}");
    }
    Ok(())
}
