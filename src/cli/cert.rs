//! `annals cert`: a certificate for trials, which signs itself.

use super::OK;
use super::output::line;
use crate::clock::{Clock, SystemClock};
use crate::error::{Context, Error, ErrorKind, Result};
use clap::Args;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The names that a certificate has unless others are given.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[derive(Debug, Args)]
#[command(after_help = "\
The certificate is for trials: nobody has signed it but itself, so each client must be told to \
trust it.
For more than a trial take one of your own authority, or of Let's Encrypt: data/deploy/README.md.

Examples:
  annals cert --out ./tls
  annals cert --out ./tls --name logs.example --name 192.0.2.7 --days 7")]
pub(super) struct CertArgs {
    /// Directory for cert.pem and key.pem, which must not exist there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Host name or address that clients will use (repeat for several); by default those of this
    /// machine: localhost, 127.0.0.1 and ::1
    #[arg(long, value_name = "HOST")]
    name: Vec<String>,
    /// Days until it expires
    #[arg(long, value_name = "N", default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=825))]
    days: u32,
}

pub(super) fn run(args: &CertArgs) -> Result<u8> {
    let names = match args.name.is_empty() {
        true => NAMES.map(str::to_owned).to_vec(),
        false => args.name.clone(),
    };
    let (cert, key) = signed(&names, args.days)?;
    std::fs::create_dir_all(&args.out).map_err(|cause| Error::io(args.out.display(), cause))?;
    let [cert_file, key_file] = ["cert.pem", "key.pem"].map(|name| args.out.join(name));
    for file in [&cert_file, &key_file] {
        if file.symlink_metadata().is_ok() {
            return Err(taken(file));
        }
    }
    write(&key_file, 0o600, &key)?;
    if let Err(error) = write(&cert_file, 0o644, &cert) {
        // A key without its certificate is of no use, and in the way of the next try.
        let _ = std::fs::remove_file(&key_file);
        return Err(error);
    }
    let (cert, key, name) = (cert_file.display(), key_file.display(), &names[0]);
    let host = if name.contains(':') { format!("[{name}]") } else { name.clone() };
    line(&format!(
        "{cert} and {key}: for {}, {} days\n\
         serve with it:  annals serve --data DIR --tls-cert {cert} --tls-key {key}\n\
         trust it once:  curl --cacert {cert} https://{host}:7400/readyz\n\
        \u{20}               annals count --ca {cert} --url https://{host}:7400 --tenant TENANT",
        names.join(", "),
        args.days
    ))?;
    Ok(OK)
}

/// Makes a certificate that signs itself, and its key, both PEM.
fn signed(names: &[String], days: u32) -> Result<(String, String)> {
    let cannot = || "cannot make a certificate".to_owned();
    let mut params = CertificateParams::new(names)
        .map_err(|cause| Error::parameter("--name", "is no host name").because(cause))?;
    let now = Duration::from_millis(SystemClock.now().millis().unsigned_abs());
    let now = rcgen::date_time_ymd(1970, 1, 1) + now;
    // Clocks of clients may be slow.
    params.not_before = now - Duration::from_secs(3_600);
    params.not_after = now + Duration::from_secs(86_400 * u64::from(days));
    params.distinguished_name.push(DnType::OrganizationName, "Annals certificate for trials");
    params.distinguished_name.push(DnType::CommonName, names[0].as_str());
    // Whoever trusts it trusts this server, and nothing that its key might sign.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().context(ErrorKind::Internal, cannot)?;
    let cert = params.self_signed(&key).context(ErrorKind::Internal, cannot)?;
    Ok((cert.pem(), key.serialize_pem()))
}

fn write(file: &Path, mode: u32, text: &str) -> Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(file);
    let mut made = made.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => taken(file),
        _ => Error::io(file.display(), cause),
    })?;
    made.write_all(text.as_bytes()).map_err(|cause| Error::io(file.display(), cause))
}

fn taken(file: &Path) -> Error {
    let what = format!("{} is there already, and is not overwritten", file.display());
    Error::new(ErrorKind::Invalid, what)
}
