//! A proof as text for people, in Chinese or English, by the levels of GB 39496-2020 or as a GISTM
//! trigger action response plan. One tree, several views.

use super::{Evidence, Node, NodeKind, Proof};
use crate::dam_file::NamedText;
use minewatch_domain::{Level, Quality};

/// Language of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

/// Whose names levels have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Blue to red of GB 39496-2020 5.5.4.
    Gb,
    /// Performance levels of a GISTM trigger action response plan.
    Gistm,
}

impl Language {
    fn of<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    fn name(self, text: &NamedText) -> &str {
        self.of(&text.zh, &text.en)
    }
}

/// A level's name by GB 39496-2020.
pub fn level_name(level: Level, language: Language) -> &'static str {
    match level {
        Level::Normal => language.of("正常", "normal"),
        Level::Blue => language.of("蓝色预警", "blue"),
        Level::Yellow => language.of("黄色预警", "yellow"),
        Level::Orange => language.of("橙色预警", "orange"),
        Level::Red => language.of("红色预警", "red"),
    }
}

/// The same level in a TARP. GISTM fixes no colours; four levels are usual, so blue and yellow are two
/// steps of the first response.
pub fn gistm_name(level: Level, language: Language) -> &'static str {
    match level {
        Level::Normal => language.of("绿色：在性能准则之内", "green: within performance criteria"),
        Level::Blue => language.of("黄色 1：核实读数、加密观测", "yellow 1: verify the reading, observe more often"),
        Level::Yellow => language.of("黄色 2：超出性能准则", "yellow 2: performance criterion exceeded"),
        Level::Orange => {
            language.of("橙色：呼叫责任工程师、限制进入", "orange: call the engineer of record, restrict access")
        }
        Level::Red => language.of("红色：启动应急预案、撤离", "red: emergency plan, evacuate"),
    }
}

impl Proof {
    /// The proof as lines of text, indented like the tree.
    pub fn text(&self, language: Language, view: View) -> String {
        let mut out = String::new();
        let level = |level| match view {
            View::Gb => level_name(level, language),
            View::Gistm => gistm_name(level, language),
        };
        let arrow = format!("{} → {}", level(self.from), level(self.to));
        let rule = language.of("依据", "by");
        out.push_str(&format!("{} {arrow} ({rule} {} / {})\n", self.dam, self.document, self.revision));
        self.root.lines(language, &level, 0, &mut out);
        for note in &self.forecasts {
            out.push_str(&format!("~ {} {}\n", note.point, language.of(&note.zh, &note.en)));
        }
        for action in &self.actions {
            let (who, what) = (language.of("负责人", "owner"), language.of("措施", "do"));
            out.push_str(&format!("! {}: {}\n", who, language.name(&action.owner)));
            for step in &action.checklist {
                out.push_str(&format!("  {what}: {}\n", language.name(step)));
            }
            let until = language.of("解除条件", "stand down when");
            out.push_str(&format!("  {until}: {}\n", language.name(&action.stand_down)));
        }
        out
    }
}

impl Node {
    fn lines(&self, language: Language, level: &impl Fn(Level) -> &'static str, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth);
        let name = self.name.as_ref().map_or(self.id.as_str(), |name| language.name(name));
        let kind = match self.kind {
            NodeKind::Pond => language.of("尾矿库", "pond"),
            NodeKind::Item => language.of("监测项目", "item"),
            NodeKind::Hazard => language.of("重大事故隐患", "major hazard"),
            NodeKind::Point => language.of("测点", "point"),
            NodeKind::Input => language.of("输入", "input"),
        };
        out.push_str(&format!("{indent}- {kind} {name}"));
        if self.kind != NodeKind::Input {
            out.push_str(&format!(": {}", level(self.level)));
        }
        if let Some(evidence) = &self.evidence {
            out.push_str(&evidence.text(language));
        }
        if let Some(clause) = &self.clause {
            out.push_str(&format!(" [{}]", language.of(&clause.zh, &clause.en)));
        }
        out.push('\n');
        for child in &self.children {
            child.lines(language, level, depth + 1, out);
        }
        let count = |count: u32, zh: &str, en: &str| match language {
            Language::Zh => format!("{indent}  （{zh} {count} 个）\n"),
            Language::En => format!("{indent}  ({count} {en})\n"),
        };
        if self.omitted > 0 {
            out.push_str(&count(self.omitted, "未列出", "more not shown"));
        }
        if self.unknown > 0 {
            out.push_str(&count(self.unknown, "数据无效、等级保持", "with bad data, their level held"));
        }
    }
}

impl Evidence {
    fn text(&self, language: Language) -> String {
        let unit = self.unit.as_deref().unwrap_or("");
        let mut text = String::new();
        if let Some(value) = self.value {
            text.push_str(&format!(" {} {value}{unit}", language.of("测值", "value")));
        }
        if let Some(limit) = self.limit {
            text.push_str(&format!(" {} {limit}{unit}", language.of("限值", "limit")));
        }
        let quality = match self.quality {
            Quality::Good => language.of("可信", "good"),
            Quality::Uncertain => language.of("存疑", "uncertain"),
            Quality::Bad => language.of("无效", "bad"),
        };
        text.push_str(&format!(", {quality}"));
        if self.quality != Quality::Good {
            text.push_str(&format!(" ({})", self.reason.name()));
        }
        let seconds = self.age_ms.max(0) / 1_000;
        text.push_str(&match language {
            Language::Zh => format!(", 数据龄 {seconds} 秒"),
            Language::En => format!(", {seconds} s old"),
        });
        if let Some(calibration) = &self.calibration {
            text.push_str(&format!(", {} {calibration}", language.of("率定", "calibration")));
        }
        text
    }
}
