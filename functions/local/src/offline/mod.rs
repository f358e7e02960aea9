//! What is done with a store while no server runs on it: all of it into one file and back, and the archive.

pub(crate) mod archive;
pub(crate) mod transfer;

use crate::failure::Failure;
use app::ports::{Clock, Entropy};
use boot::aws::Aws;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Restorable;
use store::dynamodb::{Dynamo, Options, SetupError};
use store::embedded::{self, Embedded};
use store::folder_blobs::FolderBlobs;
use store::garbage::Sweepable;
use store::key_file::KeyFile;
use store::s3_blobs::{self, S3Blobs};

/// Which store.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Place {
    /// The data folder of a server that does not run.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// DynamoDB and S3: the variables AWS_…, WAYBILL_TABLE and WAYBILL_BUCKET say where and which.
    #[arg(long)]
    aws: bool,
}

/// A store, opened.
pub(crate) struct Opened {
    stores: Stores,
    /// In words.
    pub(crate) name: String,
    /// The key that its secrets are sealed with, where it lies beside it.
    pub(crate) key: Option<String>,
}

enum Stores {
    Folder(Arc<Embedded>, FolderBlobs),
    Aws(Box<Dynamo>, S3Blobs),
}

fn wrong(error: store::OpenError) -> Failure {
    Failure::Server(error.to_string())
}

/// The system's clock and randomness.
type System = (Arc<dyn Clock>, Arc<dyn Entropy>);

fn system() -> Result<System, Failure> {
    let entropy = boot::SystemEntropy::new().map_err(|error| Failure::Server(error.to_string()))?;
    Ok((Arc::new(boot::SystemClock), Arc::new(entropy)))
}

/// The bucket, and the rest of what the environment says of AWS.
async fn aws() -> Result<(Aws, S3Blobs), Failure> {
    let (clock, entropy) = system()?;
    let aws = Aws::from_environment().await.map_err(|error| Failure::Usage(error.to_string()))?;
    let bucket = S3Blobs::new(&aws.sdk, s3_blobs::Options::new(&aws.bucket, clock, entropy));
    Ok((aws, bucket))
}

impl Place {
    /// Opens what is there. With `make`, a folder that is not there is made, and so is a table where that is asked for.
    pub(crate) async fn open(&self, make: bool, make_table: bool) -> Result<Opened, Failure> {
        match &self.data {
            Some(data) => folder(data, make),
            None => Self::table(make_table).await,
        }
    }

    async fn table(make: bool) -> Result<Opened, Failure> {
        let (clock, entropy) = system()?;
        let (aws, bucket) = aws().await?;
        let table = Dynamo::new(&aws.sdk, Options::new(&aws.table, clock, entropy));
        let found = if make { table.create().await } else { table.verify().await };
        found.map_err(|error| match error {
            SetupError::Missing(text) => Failure::Server(format!("{text} (an import makes it with --create-table)")),
            other => Failure::Server(other.to_string()),
        })?;
        let region = aws.sdk.region().map(ToString::to_string).unwrap_or_default();
        Ok(Opened { name: format!("table {} in {region}", aws.table), key: None, stores: Stores::Aws(Box::new(table), bucket) })
    }
}

fn folder(data: &Path, make: bool) -> Result<Opened, Failure> {
    let there = data.join("store").is_dir();
    if !there && !make {
        return Err(Failure::Usage(format!("{} is no data folder of a server: there is no store in it", data.display())));
    }
    if !data.is_dir() {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(Failure::file(data))?;
    }
    let table = Embedded::open(data.join("store"), embedded::Options::new(Arc::new(boot::SystemClock))).map_err(wrong)?;
    let blobs = FolderBlobs::open(data.join("blobs")).map_err(wrong)?;
    let key_file = data.join("key");
    // Opening it where it is not there would make one, and it would be the wrong one.
    let key = if key_file.is_file() { Some(KeyFile::open(key_file).map_err(wrong)?.id().to_owned()) } else { None };
    Ok(Opened { name: format!("folder {}", data.display()), key, stores: Stores::Folder(table, blobs) })
}

impl Opened {
    /// Table and blobs.
    pub(crate) fn parts(&self) -> (&dyn Restorable, &dyn Sweepable) {
        match &self.stores {
            Stores::Folder(table, blobs) => (table.as_ref(), blobs),
            Stores::Aws(table, blobs) => (table.as_ref(), blobs),
        }
    }

    /// Writes what is left to be written.
    pub(crate) async fn close(self) {
        if let Stores::Folder(table, _) = self.stores {
            table.close().await;
        }
    }
}
