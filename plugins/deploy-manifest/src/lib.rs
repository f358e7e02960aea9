//! deploy-manifest.
