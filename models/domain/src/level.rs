//! The four warning levels of GB 39496-2020 5.5.4, with "normal" below them.

use serde::{Deserialize, Serialize};

/// Warning level; ordered from harmless to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// No warning (正常).
    #[default]
    Normal,
    /// Blue (蓝色预警).
    Blue,
    /// Yellow (黄色预警).
    Yellow,
    /// Orange (橙色预警).
    Orange,
    /// Red (红色预警).
    Red,
}

impl Level {
    /// The four warning levels, mildest first.
    pub const WARNINGS: [Level; 4] = [Level::Blue, Level::Yellow, Level::Orange, Level::Red];

    /// Wire and store code, 0 (normal) to 4 (red).
    pub fn code(self) -> u8 {
        match self {
            Level::Normal => 0,
            Level::Blue => 1,
            Level::Yellow => 2,
            Level::Orange => 3,
            Level::Red => 4,
        }
    }

    /// The level of a wire code; `None` outside 0..=4.
    pub fn from_code(code: u8) -> Option<Level> {
        match code {
            0 => Some(Level::Normal),
            1 => Some(Level::Blue),
            2 => Some(Level::Yellow),
            3 => Some(Level::Orange),
            4 => Some(Level::Red),
            _ => None,
        }
    }

    /// Lower-case English name, as used in files, topics and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Level::Normal => "normal",
            Level::Blue => "blue",
            Level::Yellow => "yellow",
            Level::Orange => "orange",
            Level::Red => "red",
        }
    }
}
