//! What a program on AWS is told by its environment: credentials and region as AWS's own tools find them, and the names of
//! what it works with. The way out is rustls with ring, like everywhere.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// Names the table of DynamoDB.
pub const TABLE: &str = "WAYBILL_TABLE";
/// Names the bucket of S3 that blobs are in.
pub const BUCKET: &str = "WAYBILL_BUCKET";

/// Something is not said that has no sensible default.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwsError {
    /// A variable of the environment is missing or empty.
    #[error("{name} is not set: it names {what}")]
    Missing {
        /// Which.
        name: &'static str,
        /// What it stands for.
        what: &'static str,
    },
    /// Neither environment nor profile says which region.
    #[error("no region is set: set AWS_REGION, or a region in the AWS profile")]
    Region,
}

/// What the adapters of AWS are made from.
#[derive(Debug, Clone)]
pub struct Aws {
    /// Credentials, region, endpoint, and the way out.
    pub sdk: SdkConfig,
    /// The table's name.
    pub table: String,
    /// The bucket's name.
    pub bucket: String,
}

pub(crate) fn way_out() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

impl Aws {
    /// Reads the environment, and AWS's profile files where they are.
    ///
    /// # Errors
    /// What is missing, by name.
    pub async fn from_environment() -> Result<Self, AwsError> {
        let sdk = aws_config::defaults(BehaviorVersion::latest()).http_client(way_out()).load().await;
        Self::with(sdk, |name| std::env::var(name).ok())
    }

    fn with(sdk: SdkConfig, read: impl Fn(&'static str) -> Option<String>) -> Result<Self, AwsError> {
        let named = |name, what| read(name).filter(|value| !value.is_empty()).ok_or(AwsError::Missing { name, what });
        let table = named(TABLE, "the table of DynamoDB")?;
        let bucket = named(BUCKET, "the bucket of S3 for blobs")?;
        if sdk.region().is_none() {
            return Err(AwsError::Region);
        }
        Ok(Self { sdk, table, bucket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_config::Region;

    fn sdk() -> SdkConfig {
        SdkConfig::builder().region(Region::new("eu-west-1")).build()
    }

    #[test]
    fn what_is_missing_is_named() {
        let all = |name: &'static str| Some(name.to_lowercase());
        let aws = Aws::with(sdk(), all).unwrap();
        assert_eq!((aws.table.as_str(), aws.bucket.as_str()), ("waybill_table", "waybill_bucket"));
        for missing in [TABLE, BUCKET] {
            let error = Aws::with(sdk(), |name| all(name).filter(|_| name != missing)).unwrap_err();
            assert!(error.to_string().starts_with(missing), "{error}");
            assert!(Aws::with(sdk(), |name| if name == missing { Some(String::new()) } else { all(name) }).is_err());
        }
        let error = Aws::with(SdkConfig::builder().build(), all).unwrap_err();
        assert!(matches!(&error, AwsError::Region) && error.to_string().contains("AWS_REGION"));
    }

    #[test]
    fn there_is_a_way_out() {
        assert!(format!("{:?}", way_out()).contains("SharedHttpClient"));
    }
}
