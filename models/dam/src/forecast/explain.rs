//! An outlook as sentences for the safety officer, in Chinese and English. Every abstention ends by
//! saying that it is not a statement of safety.

use super::{Abstention, Outlook};

/// A language of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Chinese.
    Chinese,
    /// English.
    English,
}

impl Outlook {
    /// The outlook as one or two sentences.
    pub fn explain(&self, language: Language) -> String {
        match (self, language) {
            (Outlook::Failure(failure), Language::English) => {
                let both = failure.voight.map_or(String::new(), |voight| {
                    format!("; free exponent {:.2}: day {:.3}", voight.alpha, voight.tf)
                });
                let agree = if failure.models_agree { "" } else { "; the models disagree, the interval holds both" };
                format!(
                    "Accelerating since day {:.3}; failure on day {:.3}, interval {:.3} to {:.3}{both}{agree}.",
                    failure.onset, failure.tf, failure.interval.from, failure.interval.to
                )
            }
            (Outlook::Failure(failure), Language::Chinese) => {
                let both = failure
                    .voight
                    .map_or(String::new(), |voight| format!("；自由指数 {:.2}：第 {:.3} 天", voight.alpha, voight.tf));
                let agree = if failure.models_agree { "" } else { "；两模型不一致，区间包含两者" };
                format!(
                    "自第 {:.3} 天起加速；预测失稳时间第 {:.3} 天，区间 {:.3} 至 {:.3}{both}{agree}。",
                    failure.onset, failure.tf, failure.interval.from, failure.interval.to
                )
            }
            (Outlook::Abstain(why), Language::English) => {
                format!(
                    "No failure time is stated ({}): {}. This does not mean that the dam is safe.",
                    why.code(),
                    why.english()
                )
            }
            (Outlook::Abstain(why), Language::Chinese) => {
                format!("不给出失稳时间（{}）：{}。这不表示坝体安全。", why.code(), why.chinese())
            }
        }
    }
}

impl Abstention {
    fn english(&self) -> String {
        match self {
            Abstention::TooFew { have, need } => format!("{have} usable values, {need} are needed"),
            Abstention::BelowNoise { velocity, floor, reference_used } => {
                let after = if *reference_used { " after the stable reference was taken off" } else { "" };
                format!("the velocity {velocity:.3} per day is not above its own noise floor {floor:.3}{after}")
            }
            Abstention::CommonMode { raw, own, floor, likeness } => format!(
                "the movement is shared with the reference: newest step {:.1}, without the reference {:.1}; velocity {raw:.3} per day before, {own:.3} after, noise floor {floor:.3}",
                likeness.raw_step, likeness.own_step
            ),
            Abstention::NoTrend { short, long, lasting, need } => format!(
                "it moves but does not accelerate: short average {short:.3}, long average {long:.3}, above for {lasting} of {need} samples"
            ),
            Abstention::NonMonotone { peak, now } => {
                format!("the acceleration did not go on: {now:.3} per day now, {peak:.3} at its highest")
            }
            Abstention::UnboundedCi { best, .. } => {
                let best =
                    best.map_or(String::new(), |best| format!(" (best guess day {best:.1}, not to be acted on)"));
                format!("it accelerates, but the data do not bound the failure time{best}")
            }
        }
    }

    fn chinese(&self) -> String {
        match self {
            Abstention::TooFew { have, need } => format!("可用数据 {have} 个，至少需要 {need} 个"),
            Abstention::BelowNoise { velocity, floor, reference_used } => {
                let after = if *reference_used { "（已扣除稳定基准点）" } else { "" };
                format!("速度 {velocity:.3}/天未超过自身噪声限 {floor:.3}{after}")
            }
            Abstention::CommonMode { raw, own, floor, likeness } => format!(
                "位移为共模误差：最新一步 {:.1}，扣除基准后 {:.1}；速度扣除前 {raw:.3}/天、扣除后 {own:.3}/天，噪声限 {floor:.3}",
                likeness.raw_step, likeness.own_step
            ),
            Abstention::NoTrend { short, long, lasting, need } => {
                format!("有位移但未加速：短均线 {short:.3}，长均线 {long:.3}，持续 {lasting}/{need} 个样本")
            }
            Abstention::NonMonotone { peak, now } => format!("加速未持续：当前 {now:.3}/天，峰值 {peak:.3}/天"),
            Abstention::UnboundedCi { best, .. } => {
                let best = best.map_or(String::new(), |best| format!("（最佳估计第 {best:.1} 天，不可据此行动）"));
                format!("正在加速，但数据不足以限定失稳时间{best}")
            }
        }
    }
}
