use super::*;
use crate::problem::Gravity;
use crate::statement::{Settles, Statement};
use proptest::prelude::*;

fn read(text: &str) -> (u64, Vec<Statement>, Vec<Problem>) {
    let (mut entries, mut statements, mut problems) = (0, Vec::new(), Vec::new());
    for item in Mt940::new(text.as_bytes(), Encoding::Auto) {
        match item {
            Item::Entry(_) => entries += 1,
            Item::Statement(statement) => statements.push(*statement),
            Item::Problem(problem) => problems.push(problem),
            Item::Payment(_) => panic!("a payment in a statement"),
        }
    }
    (entries, statements, problems)
}

const PAGES: &str = ":20:A\n:25:1222333444\n:28C:1/1\n:60F:C020315DEM0,00\n:61:0203170320C5000,00NMSC\n:62M:C020315DEM5000,00\n-\n\
    :20:A\n:25:1222333444\n:28C:1/2\n:60M:C020315DEM5000,00\n:61:020322D20,00NCHG\n:62F:C020322DEM4980,00\n-\n";

#[test]
fn pages_are_chained_into_one_statement() {
    let (entries, statements, problems) = read(PAGES);
    assert_eq!((entries, statements.len(), problems.len()), (2, 1, 0), "{problems:?}");
    assert_eq!((statements[0].settles(), statements[0].balances.len()), (Settles::Yes, 2));
}

#[test]
fn a_page_that_does_not_follow_or_is_missing_is_said() {
    let (_, statements, problems) = read(&PAGES.replace(":60M:C020315DEM5000,00", ":60M:C020315DEM4000,00"));
    assert!(matches!(statements[0].settles(), Settles::NotPossible(_)));
    assert!(problems[0].why.contains("the page opens with"), "{problems:?}");
    let first = PAGES.split("-\n").next().expect("page");
    let other = ":20:B\n:25:99\n:28C:1\n:60F:C020315DEM0,00\n:62F:C020315DEM0,00\n-\n";
    let (_, statements, problems) = read(&format!("{first}-\n{other}"));
    assert_eq!(statements.len(), 2);
    assert!(problems.iter().any(|p| p.why.contains("last page")), "{problems:?}");
    assert_eq!(statements[1].account.id, "99");
}

#[test]
fn a_clock_time_that_wraps_is_not_a_tag_and_a_day_that_is_none_is_marked() {
    let text = ":20:S\n:25:1/2\n:28C:0/1\n:60F:C160229EUR1200,00\n:61:1602300301DR6,00N024NONREF\n:86:805?00X?602017-01-01T13\n:12:11\n:62F:C160301EUR1194,00\n-\n";
    let (entries, statements, problems) = read(text);
    assert_eq!((entries, statements[0].settles()), (1, Settles::Yes));
    assert!(matches!(problems.as_slice(), [p] if p.gravity == Gravity::Mark && p.place.line == 5), "{problems:?}");
}

#[test]
fn a_file_that_is_none_is_refused_and_stray_lines_are_told() {
    let (_, statements, problems) = read("1\n2\n3\n");
    assert!(statements.is_empty());
    assert!(problems.iter().any(|p| p.gravity == Gravity::Document), "{problems:?}");
    let (_, statements, problems) = read("hello\n:20:S\n:25:1\n:61:x\n:62F:C160301EUR1194,00\n");
    assert_eq!((problems[0].place.line, statements[0].unread), (1, 1));
}

proptest! {
    #[test]
    fn statements_that_were_written_settle(opening in 0i64..1_000_000, cents in proptest::collection::vec(-100_000i64..100_000, 0..20), off in 0i64..2) {
        let mut text = format!(":20:S\n:25:6222\n:28C:1\n:60F:{}\n", amount(opening, "260301CNY"));
        for c in &cents {
            let sign = if *c < 0 { "D" } else { "C" };
            text += &format!(":61:2603010301{sign}{},{:02}NMSCNONREF\n:86:货款\n", c.abs() / 100, c.abs() % 100);
        }
        let closing = opening + cents.iter().sum::<i64>() + off;
        text += &format!(":62F:{}\n-\n", amount(closing, "260301CNY"));
        let (entries, statements, problems) = read(&text);
        prop_assert_eq!((entries, problems.len()), (cents.len() as u64, 0));
        prop_assert_eq!(statements[0].settles() == Settles::Yes, off == 0);
    }

    #[test]
    fn no_text_panics(text in "(:(20|25|28C|60F|60M|61|62M|62F|86|NS|13D):|[CDR0-9,?]{0,12}|-|\n|矿|[A-Z]{1,4}){0,60}") {
        let _ = read(&text);
    }
}

fn amount(cents: i64, middle: &str) -> String {
    format!("{}{middle}{},{:02}", if cents < 0 { "D" } else { "C" }, cents.abs() / 100, cents.abs() % 100)
}
