//! The HTTP interface over its own TLS, met by another TLS library (Python's, OpenSSL).

use anyhow::{Result, ensure};
use minewatch_tests::certs::Certs;
use minewatch_tests::people::PASSWORD;
use minewatch_tests::process::{Program, binary, free_port, run, scratch};
use minewatch_tests::wait::{eventually, when};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// Asks over TLS and prints what is judged below: status, cookie, HSTS, policy.
const CLIENT: &str = r#"
import http.client, json, ssl, sys
port, ca, token = int(sys.argv[1]), sys.argv[2], sys.argv[3]
def ask(method, path, body=None, context=ssl.create_default_context(cafile=ca)):
    c = http.client.HTTPSConnection("localhost", port, timeout=20, context=context)
    c.request(method, path, json.dumps(body) if body else None, {"content-type": "application/json"} if body else {})
    return c.getresponse()
person = {"person": "chief", "name": "Chief", "password": sys.argv[4], "role": "administrator"}
print("setup", ask("POST", "/api/v1/setup", {"token": token, "people": [person]}).status)
r = ask("POST", "/api/v1/sign-in", {"person": "chief", "password": sys.argv[4]})
print("sign-in", r.status, r.getheader("set-cookie"))
r = ask("GET", "/")
print("page", r.status, r.getheader("strict-transport-security"), "|", r.getheader("content-security-policy"),
      "|", r.getheader("x-content-type-options"))
try:
    ask("GET", "/", context=ssl.create_default_context())
    print("a stranger's certificate was believed")
except ssl.SSLCertVerificationError:
    print("not believed without the authority")
"#;

#[tokio::test(flavor = "multi_thread")]
async fn tls_cookies_and_headers_are_those_of_a_careful_site() -> Result<()> {
    let folder = scratch("tls")?;
    let certs = Certs::make(&folder, &["localhost"])?;
    let port = free_port()?;
    let (cert, key) = (certs.cert("localhost"), certs.key("localhost"));
    let here = folder.display();
    let text = format!(
        "[http]\nlisten = \"127.0.0.1:{port}\"\ncert_file = \"{}\"\nkey_file = \"{}\"\n\
         [store]\nurl = \"sqlite:{here}/mw.db\"\n[broker]\nlisten = \"127.0.0.1:0\"\nlisten_v4 = \"127.0.0.1:0\"\n",
        cert.display(),
        key.display()
    );
    let config = folder.join("a.toml");
    fs::write(&config, text)?;
    let mut command = Command::new(binary("aggregator")?);
    let program = Program::start(&folder, "aggregator", command.arg("run").arg("--config").arg(&config))?;
    let offered = folder.join("minewatch.setup-token");
    eventually("it listens", Duration::from_secs(40), async || {
        program.must_run()?;
        let open = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
        Ok(when(open && offered.exists(), "not yet"))
    })
    .await?;
    let token = fs::read_to_string(&offered)?;
    let mut client = Command::new("python3");
    client.args(["-c", CLIENT, &port.to_string()]).arg(certs.ca()).args([token.trim(), PASSWORD]);
    let printed = tokio::task::spawn_blocking(move || run(&mut client)).await??;
    for wanted in [
        "setup 204",
        "sign-in 204 __Host-minewatch=",
        "HttpOnly; SameSite=Lax",
        "; Secure",
        "page 200 max-age=31536000",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "| nosniff",
        "not believed without the authority",
    ] {
        ensure!(printed.contains(wanted), "{wanted:?} is not in {printed}");
    }
    ensure!(!printed.contains("unsafe-inline"), "{printed}");
    Ok(())
}
