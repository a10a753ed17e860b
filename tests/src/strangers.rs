//! Receivers of what leaves headquarters, as strict strangers (`peers/notify_stub.py`), and the rows a
//! case step would have written.

use crate::process::{Program, free_port, repository};
use crate::wait::{eventually, when};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Python with the peers' packages.
///
/// # Errors
/// When the set-up step was not run.
pub fn python() -> Result<PathBuf> {
    let python = repository().join(".cache/venv/bin/python");
    ensure!(python.is_file(), "{} is missing: run `make setup-full`", python.display());
    Ok(python)
}

/// Robots, a webhook, an SMS adapter, a mail server and a platform by strangers.
#[derive(Debug)]
pub struct Strangers {
    program: Program,
    http: u16,
    smtp: u16,
}

impl Strangers {
    /// Starts them; every n-th signed request is answered 503 first (0: none).
    ///
    /// # Errors
    /// When Python or its packages are missing.
    pub async fn start(folder: &Path, fail_every: u32) -> Result<Strangers> {
        let (http, smtp) = (free_port()?, free_port()?);
        let mut command = Command::new(python()?);
        command.arg("-B").arg(repository().join("tests/peers/notify_stub.py"));
        command.args([http.to_string(), smtp.to_string(), fail_every.to_string()]);
        let program = Program::start(folder, "strangers", &mut command)?;
        eventually("the strangers listen", Duration::from_secs(30), async || {
            program.must_run()?;
            Ok(when(program.printed().contains("ready"), program.printed()))
        })
        .await?;
        Ok(Strangers { program, http, smtp })
    }

    /// What came in so far.
    pub fn heard(&self) -> Vec<Value> {
        let printed = self.program.printed();
        let whole = printed.rfind('\n').map_or("", |end| &printed[..end]);
        whole
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|v: &Value| v["kind"].is_string())
            .collect()
    }

    /// Port of the HTTP ones.
    pub fn http(&self) -> u16 {
        self.http
    }

    /// The settings of a channel of each kind.
    ///
    /// # Errors
    /// When the secrets cannot be written.
    pub fn settings(&self, folder: &Path) -> Result<String> {
        let secret = |name: &str, text: &str| -> Result<String> {
            let path = folder.join(name);
            fs::write(&path, text)?;
            Ok(path.display().to_string())
        };
        let key = secret("webhook.key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
        let old = secret("webhook-old.key", "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LQ==")?;
        let robot = secret("robot.secret", "SEC0123456789abcdef")?;
        let base = format!("http://127.0.0.1:{}", self.http);
        let mut text =
            "[notify]\nbase_url = \"https://hq.example\"\nallow_networks = [\"127.0.0.0/8\"]\nself_test = \"\"\n"
                .to_owned();
        for (kind, path) in
            [("wecom", "/wecom?key=wecom-key"), ("dingtalk", "/dingtalk?access_token=t"), ("feishu", "/feishu")]
        {
            let url = secret(&format!("{kind}.url"), &format!("{base}{path}"))?;
            let signed = if kind == "wecom" { String::new() } else { format!("secret_file = \"{robot}\"\n") };
            text +=
                &format!("[[notify.channel]]\nname = \"{kind}\"\nkind = \"{kind}\"\nurl_file = \"{url}\"\n{signed}");
        }
        for (name, path, fallback) in [("hook", "webhook", ""), ("lost", "redirect", "fallback = \"duty-sms\"\n")] {
            text += &format!(
                "[[notify.channel]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{base}/{path}\"\nsecret_files = [\"{old}\", \"{key}\"]\n{fallback}"
            );
        }
        text += &format!(
            "[[notify.channel]]\nname = \"duty-sms\"\nkind = \"sms\"\nurl = \"{base}/sms\"\nsecret_files = [\"{key}\"]\ntemplate = \"SMS_1\"\n\
             to = [\"+8613800000000\"]\nvariables = {{ level = \"level_zh\", place = \"place_zh\", what = \"what_zh\" }}\n\
             [[notify.channel]]\nname = \"mail\"\nkind = \"email\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"Minewatch <alarm@hq.example>\"\nto = [\"duty@hq.example\"]\n",
            self.smtp
        );
        Ok(text)
    }
}

/// Now, microseconds since 1970.
///
/// # Errors
/// When the clock stands before 1970.
pub fn now_us() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?)
}

/// Opens the store of an aggregator beside it.
///
/// # Errors
/// When it cannot be opened.
pub async fn open(store: &Path) -> Result<AnyConnection> {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&format!("sqlite://{}", store.display())).await?;
    sqlx::query("PRAGMA busy_timeout=10000").execute(&mut connection).await?;
    Ok(connection)
}

/// Adds notices (id, channel, level) as the transaction of a case step would.
///
/// # Errors
/// When the store refuses.
pub async fn add(store: &Path, notices: &[(String, &str, i64)]) -> Result<()> {
    let mut connection = open(store).await?;
    let body = json!({ "title_zh": "请确认", "title_en": "please acknowledge", "place_zh": "甲库 3 号测压管",
        "place_en": "pond A, piezometer 3", "what_zh": "浸润线超过红色阈值", "what_en": "phreatic line above red",
        "since_us": now_us()?, "link": "/cases/7" });
    let mut transaction = connection.begin().await?;
    for (id, channel, level) in notices {
        let now = now_us()?;
        sqlx::query(
            "INSERT INTO notice (id, case_id, step, target, channel, level, domain, org, body, due_us, state, attempts, \
             next_try_us, created_us) VALUES ($1, 'case-7', 'raised', 'duty', $2, $3, 'dam', 'g/c/m/f', $4, $5, \
             'pending', 0, $5, $5)",
        )
        .bind(id.as_str())
        .bind(*channel)
        .bind(*level)
        .bind(body.to_string())
        .bind(now)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(())
}
