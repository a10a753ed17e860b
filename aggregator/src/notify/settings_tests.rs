//! Mistakes are named all at once; secrets are never shown.

use super::*;

fn parsed(text: &str) -> (NotifyConfig, Vec<String>) {
    let mut problems = Vec::new();
    let config = parse(Some(text.parse().expect("TOML")), &mut problems);
    (config, problems)
}

#[test]
fn every_problem_of_every_channel_is_named_at_once() {
    let (_, problems) = parsed(
        "time_zone = 'Mars/Olympus'\nself_test = '9'\nallow_networks = ['10.0.0.1/8']\nbase_url = 'hq'\n\
         [[channel]]\nname = 'a'\nkind = 'wecom'\nurl = 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k'\nper_minute = 30\n\
         [[channel]]\nname = 'a'\nkind = 'fax'\nquiet = 'night'\n\
         [[channel]]\nname = 'm'\nkind = 'email'\nfrom = 'x'\nusername = 'u'\nfallback = 'nobody'\nhost = 'smtp.example'\n\
         [[channel]]\nname = 'w'\nkind = 'webhook'\nurl = 'http://127.0.0.1/x'\n\
         [[channel]]\nname = 's'\nkind = 'sms'\nurl = 'https://sms.example/'\nvariables = { a = 'password' }\nto = ['me']\n\
         [[channel]]\nname = 'z'\nkind = 'wecom'\nkey = 'k'\n\
         [[contact]]\nperson = 'p'\nphone = 'abc'\nchannel = 'none'\n",
    );
    for place in [
        "notify.time_zone:",
        "notify.self_test:",
        "notify.allow_networks:",
        "notify.base_url:",
        "notify.channel[0] \"a\": url:",
        "notify.channel[0] \"a\": per_minute:",
        "notify.channel[1] \"a\": name:",
        "notify.channel[1] \"a\": kind:",
        "notify.channel[1] \"a\": quiet:",
        "notify.channel[2] \"m\": from:",
        "notify.channel[2] \"m\": username:",
        "notify.channel \"m\": fallback:",
        "notify.channel[3] \"w\": url:",
        "notify.channel[3] \"w\": secret_files:",
        "notify.channel[4] \"s\": variables:",
        "notify.channel[4] \"s\": template:",
        "notify.channel[4] \"s\": to:",
        "notify.channel[5] \"z\": file:",
        "notify.contact[0].phone:",
        "notify.contact \"p\": channel:",
    ] {
        assert!(problems.iter().any(|p| p.starts_with(place)), "{place} in {problems:#?}");
    }
    assert!(!problems.iter().any(|p| p.contains("key=k")), "{problems:#?}");
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let folder = tempfile::tempdir().expect("folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let url = file("url", "https://oapi.dingtalk.com/robot/send?access_token=hunter2\n");
    let secret = file("secret", "SEChunter2\n");
    let key = file("key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    let password = file("password", "hunter2\n");
    let (config, problems) = parsed(&format!(
        "[[channel]]\nname = 'd'\nkind = 'dingtalk'\nurl_file = '{url}'\nsecret_file = '{secret}'\nfallback = 'm'\n\
         [[channel]]\nname = 'w'\nkind = 'webhook'\nurl = 'https://hooks.example/a'\nsecret_files = ['{key}', '{key}']\n\
         [[channel]]\nname = 'm'\nkind = 'email'\nhost = 'smtp.example'\nfrom = 'a@b.example'\nto = ['c@b.example']\n\
         username = 'u'\npassword_file = '{password}'\n[[contact]]\nperson = 'li'\nchannel = 'w'\n"
    ));
    assert_eq!(problems, Vec::<String>::new());
    let shown = format!("{config:?} {}", config.shown());
    for secret in ["hunter2", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let rate = config.channels["d"].rate.expect("a robot has a budget");
    assert_eq!((rate.per_minute, rate.reserve_red), (15, 5));
    let name = |channel, target| config.resolve(channel, target).map(|c| c.name.as_str());
    assert_eq!(name("d", "x"), Some("d"));
    assert_eq!(name("dingtalk", "d"), Some("d"), "the robot is the target");
    assert_eq!(name("email", "person-1"), Some("m"), "the first of its kind");
    assert_eq!(name("sms", "person-1"), None);
    assert_eq!(name("default", "li"), Some("w"), "the channel the person wants");
    assert_eq!(name("default", "wang"), None, "there is no default channel");
    let with_default = NotifyConfig { default_channel: Some("m".to_owned()), ..config.clone() };
    assert_eq!(with_default.resolve("default", "wang").map(|c| c.name.as_str()), Some("m"));
}

#[test]
fn a_chain_of_fallbacks_ends() {
    let channel = |name: &str, fallback: &str| {
        format!("[[channel]]\nname = '{name}'\nkind = 'email'\nhost = 'h'\nfrom = 'a@b.c'\nfallback = '{fallback}'\n")
    };
    let (_, problems) = parsed(&format!("{}{}{}", channel("a", "b"), channel("b", "c"), channel("c", "a")));
    assert_eq!(problems.iter().filter(|p| p.contains("circle")).count(), 3, "{problems:#?}");
    let (_, problems) =
        parsed("[[channel]]\nname = 'a'\nkind = 'webhook'\nurl = 'https://h.example/'\nfallback = 'a'\n");
    assert!(problems.iter().any(|p| p.contains("circle")), "{problems:#?}");
}
