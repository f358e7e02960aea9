//! Keys and certificates of a control plane, made in this process.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};

use crate::{Error, Result};

/// The group whose members may do everything.
const MASTERS: &str = "system:masters";

/// What a person or a program needs to be an administrator.
pub(super) struct Admin {
    pub(super) ca_pem: String,
    pub(super) certificate_pem: String,
    pub(super) key_pem: String,
    pub(super) token: String,
}

/// Makes everything anew and writes what the parts read into `folder`.
pub(super) fn make(folder: &Path) -> Result<Admin> {
    let authority = authority()?;
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(Error::io(path))
    };
    write("ca.crt", &authority.pem())?;

    let names = ["127.0.0.1", "10.96.0.1", "localhost", "kubernetes.default.svc"].map(String::from);
    let mut server = params(names.to_vec(), "kube-apiserver", None)?;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (certificate, key) = signed(&server, &authority)?;
    write("server.crt", &certificate)?;
    write("server.key", &key)?;

    let (certificate, key) = signed(&for_client("kube-apiserver-kubelet-client")?, &authority)?;
    write("kubelet-client.crt", &certificate)?;
    write("kubelet-client.key", &key)?;

    let accounts = KeyPair::generate()?;
    write("accounts.key", &accounts.serialize_pem())?;
    write("accounts.pub", &accounts.public_key_pem())?;

    let token = random_token()?;
    write("tokens.csv", &format!("{token},administrator,administrator,\"{MASTERS}\"\n"))?;
    let (certificate_pem, key_pem) = signed(&for_client("admin")?, &authority)?;
    Ok(Admin { ca_pem: authority.pem(), certificate_pem, key_pem, token })
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = params(Vec::new(), "waybill test authority", None)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn params(names: Vec<String>, common_name: &str, group: Option<&str>) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    if let Some(group) = group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    Ok(params)
}

fn for_client(common_name: &str) -> Result<CertificateParams> {
    let mut params = params(Vec::new(), common_name, Some(MASTERS))?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn signed(params: &CertificateParams, authority: &CertifiedIssuer<'static, KeyPair>) -> Result<(String, String)> {
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}

/// A certificate for a server, with an authority made for it alone.
pub(crate) struct Server {
    pub(crate) ca_pem: String,
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
}

/// Makes one for these names.
pub(crate) fn server(common_name: &str, names: &[&str]) -> Result<Server> {
    let authority = authority()?;
    let mut server = params(names.iter().map(|name| (*name).to_owned()).collect(), common_name, None)?;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (certificate_pem, key_pem) = signed(&server, &authority)?;
    Ok(Server { ca_pem: authority.pem(), certificate_pem, key_pem })
}

/// 128 bits nobody can guess.
pub(crate) fn random_token() -> Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(hex::encode(bytes))
}
