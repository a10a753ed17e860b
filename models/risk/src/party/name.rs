//! Chinese company names: when two of them may be one company, and why.
//!
//! A name is region + trade name + business + legal form (企业名称登记管理规定). Names are brought to one
//! form, taken apart, and compared part by part; every point of the score has its reason. The
//! weights are a proposal, to be calibrated on labelled names.

use std::collections::BTreeSet;

/// Names compared with one name.
pub const NAMES_MAX: usize = 1_000_000;
/// Longest name compared, characters.
const CHARS_MAX: usize = 200;

/// Legal forms, the longest first.
const FORMS: [&str; 14] = [
    "集团股份有限公司",
    "集团有限责任公司",
    "集团有限公司",
    "股份有限公司",
    "有限责任公司",
    "集团总公司",
    "集团公司",
    "有限公司",
    "总公司",
    "集团",
    "合伙企业",
    "研究院",
    "厂",
    "公司",
];
/// Regions that stand before or inside a name.
const REGIONS: [&str; 48] = [
    "中国",
    "中华",
    "北京",
    "天津",
    "上海",
    "重庆",
    "河北",
    "山西",
    "内蒙古",
    "辽宁",
    "吉林",
    "黑龙江",
    "江苏",
    "浙江",
    "安徽",
    "福建",
    "江西",
    "山东",
    "河南",
    "湖北",
    "湖南",
    "广东",
    "广西",
    "海南",
    "四川",
    "贵州",
    "云南",
    "西藏",
    "陕西",
    "甘肃",
    "青海",
    "宁夏",
    "新疆",
    "香港",
    "澳门",
    "台湾",
    "深圳",
    "广州",
    "长沙",
    "铜陵",
    "武汉",
    "南京",
    "杭州",
    "青岛",
    "大连",
    "厦门",
    "苏州",
    "成都",
];

/// Why two names are alike or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The same after width, case, blanks and signs.
    Same,
    /// The same without region and legal form.
    SameCore,
    /// Another legal form: 有限公司 is not 股份有限公司.
    Form(String, String),
    /// One names a region, the other none.
    RegionMissing(String),
    /// Different regions.
    Regions(String, String),
    /// A branch of it.
    Branch,
    /// One is an abbreviation of the other.
    Abbreviation,
    /// So many hundredths of the pairs of characters are common.
    Alike(u32),
}

/// A name that may be the same company; a person confirms it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Place in the list that was searched.
    pub index: usize,
    /// 0 to 100.
    pub score: u32,
    /// Why, in the order it counted.
    pub reasons: Vec<Reason>,
}

/// A name in one form: half width, capital letters, no blanks and signs; what stands in brackets stays.
pub fn normal(name: &str) -> String {
    let half = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        other => other,
    };
    name.chars().take(CHARS_MAX).map(half).filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    region: Option<&'static str>,
    /// Without its legal form.
    full: String,
    /// Without its region too.
    core: String,
    form: &'static str,
    branch: bool,
}

fn parts(normal: &str) -> Parts {
    let branch = normal.ends_with("分公司") || normal.ends_with("分厂") || normal.ends_with("办事处");
    let (mut core, mut form) = (normal.to_owned(), "");
    if let Some(found) = FORMS.iter().find(|form| normal.ends_with(**form) && normal.len() > form.len()) {
        form = found;
        core.truncate(normal.len() - found.len());
    }
    let full = core.clone();
    let region = REGIONS.iter().find(|region| core.contains(**region)).copied();
    if let Some(region) = region {
        let rest = core.replacen(region, "", 1);
        let rest = rest.strip_prefix('省').or_else(|| rest.strip_prefix('市')).unwrap_or(&rest);
        // 中国银行 without its region would be any bank.
        if rest.chars().count() >= 3 {
            core = rest.to_owned();
        }
    }
    Parts { region, full, core, form, branch }
}

/// Whether every character of `short` stands in `long` in the same order, the first one first.
fn abbreviates(short: &str, long: &str) -> bool {
    let mut rest = long.chars();
    let first = short.chars().next() == long.chars().next();
    first && short.chars().count() >= 2 && short.chars().all(|c| rest.any(|other| other == c))
}

/// Dice's coefficient of pairs of characters, in hundredths.
fn alike(a: &str, b: &str) -> u32 {
    let pairs = |text: &str| -> BTreeSet<(char, char)> { text.chars().zip(text.chars().skip(1)).collect() };
    let (a, b) = (pairs(a), pairs(b));
    let both = u32::try_from(a.intersection(&b).count()).unwrap_or(0);
    let all = u32::try_from(a.len() + b.len()).unwrap_or(1).max(1);
    200 * both / all
}

/// How far two names may be one company: 0 to 100, with the reasons.
pub fn compare(a: &str, b: &str) -> (u32, Vec<Reason>) {
    let (a, b) = (normal(a), normal(b));
    if a.is_empty() || b.is_empty() {
        return (0, Vec::new());
    }
    if a == b {
        return (100, vec![Reason::Same]);
    }
    let (x, y) = (parts(&a), parts(&b));
    // A region both have is part of the name; one that only one of them has is not held against it.
    let (one, other) = if x.region == y.region { (&x.full, &y.full) } else { (&x.core, &y.core) };
    let (short, long) = if one.chars().count() <= other.chars().count() { (one, other) } else { (other, one) };
    let mut reasons = Vec::new();
    let mut score = if one == other {
        reasons.push(Reason::SameCore);
        96
    } else if abbreviates(short, long) {
        reasons.push(Reason::Abbreviation);
        // The fewer characters, the more companies it may stand for.
        60 + 5 * u32::try_from(short.chars().count()).unwrap_or(0).min(5)
    } else {
        let share = alike(one, other);
        reasons.push(Reason::Alike(share));
        share * 80 / 100
    };
    if !x.form.is_empty() && !y.form.is_empty() && x.form != y.form {
        reasons.push(Reason::Form(x.form.to_owned(), y.form.to_owned()));
        score = score.saturating_sub(12);
    }
    match (x.region, y.region) {
        (Some(one), Some(other)) if one != other => {
            reasons.push(Reason::Regions(one.to_owned(), other.to_owned()));
            score = score.min(40);
        }
        (Some(one), None) | (None, Some(one)) => {
            reasons.push(Reason::RegionMissing(one.to_owned()));
            score = score.saturating_sub(6);
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    if x.branch != y.branch {
        reasons.push(Reason::Branch);
        score = score.min(60);
    }
    (score, reasons)
}

/// The names of a list that may be `name`, the likeliest first; at least `score_min`, at most `most`.
pub fn candidates<'n>(
    name: &str,
    names: impl IntoIterator<Item = &'n str>,
    score_min: u32,
    most: usize,
) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for (index, other) in names.into_iter().take(NAMES_MAX).enumerate() {
        let (score, reasons) = compare(name, other);
        if score >= score_min && score > 0 {
            found.push(Candidate { index, score, reasons });
        }
    }
    found.sort_by(|a, b| b.score.cmp(&a.score).then(a.index.cmp(&b.index)));
    found.truncate(most);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_one_company_are_found_with_their_reasons() {
        for (a, b, at_least, reason) in [
            ("铜陵有色金属集团股份有限公司", "铜陵有色金属集团股份有限公司（总部）", 60, None),
            ("ＡＢＣ矿业（上海）有限公司", "abc矿业(上海)有限公司", 100, Some(Reason::Same)),
            (
                "安徽铜冠铜箔集团股份有限公司",
                "铜冠铜箔集团股份有限公司",
                85,
                Some(Reason::RegionMissing("安徽".to_owned())),
            ),
            ("湖南有色金属控股集团有限公司", "湖南有色金属控股集团有限责任公司", 80, Some(Reason::SameCore)),
            ("五矿稀土集团有限公司", "五矿稀土", 85, Some(Reason::SameCore)),
            ("金川镍钴研究设计院有限公司", "金川设计院", 70, Some(Reason::Abbreviation)),
        ] {
            let (score, reasons) = compare(a, b);
            assert!(score >= at_least, "{a} {b}: {score} {reasons:?}");
            assert!(reason.as_ref().is_none_or(|reason| reasons.contains(reason)), "{a} {b}: {reasons:?}");
        }
    }

    #[test]
    fn names_of_others_stay_apart() {
        for (a, b, at_most) in [
            ("湖南有色建设有限公司", "湖北有色建设有限公司", 40),
            ("五矿发展股份有限公司", "五矿发展股份有限公司长沙分公司", 60),
            ("江西铜业集团有限公司", "云南铜业集团有限公司", 40),
            ("金诚信矿业管理股份有限公司", "紫金矿业集团股份有限公司", 50),
            ("", "某公司", 0),
        ] {
            let (score, reasons) = compare(a, b);
            assert!(score <= at_most, "{a} {b}: {score} {reasons:?}");
        }
        assert!(
            compare("中铝国际有限公司", "中铝国际股份有限公司").0 < 96,
            "another legal form is another company until confirmed"
        );
    }

    #[test]
    fn candidates_come_likeliest_first() {
        let names = ["铜陵化工集团有限公司", "铜陵有色金属集团股份有限公司", "铜陵有色"];
        let found = candidates("铜陵有色金属集团股份有限公司", names, 50, 5);
        assert_eq!(found.iter().map(|c| c.index).collect::<Vec<_>>(), [1, 2]);
    }

    proptest! {
        #[test]
        fn comparing_is_symmetric_bounded_and_full_only_for_the_same(a in "[铜陵有色金属集团股份限公司上海A-C]{0,12}", b in "[铜陵有色金属集团股份限公司上海A-C]{0,12}") {
            let (one, other) = (compare(&a, &b).0, compare(&b, &a).0);
            prop_assert_eq!(one, other);
            prop_assert!(one <= 100);
            prop_assert_eq!(one == 100, !normal(&a).is_empty() && normal(&a) == normal(&b));
        }
    }
}
