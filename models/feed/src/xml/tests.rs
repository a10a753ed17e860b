use super::*;
use std::io::{self, BufReader, Read};

fn all(document: &str) -> Result<Vec<String>, Problem> {
    let mut xml = Xml::new(document.as_bytes(), Encoding::Auto);
    let mut texts = Vec::new();
    while xml.open()? {
        walk(&mut xml, &mut texts)?;
    }
    Ok(texts)
}

fn walk(xml: &mut Xml<&[u8]>, texts: &mut Vec<String>) -> Result<(), Problem> {
    if xml.name() == "t" {
        texts.push(xml.text()?.to_owned());
        return Ok(());
    }
    while xml.open()? {
        walk(xml, texts)?;
    }
    Ok(())
}

#[test]
fn text_with_references_cdata_and_elements_inside_is_one_text() {
    let texts = all("<?xml version='1.0'?><a><t> x &amp; y&#x4e2d;<![CDATA[<z>]]> </t><b/><t><u>in</u></t><t/></a>");
    assert_eq!(texts, Ok(vec!["x & y中<z>".to_owned(), "in".to_owned(), String::new()]));
}

#[test]
fn attributes_are_found_by_name() {
    let mut xml = Xml::new(&b"<a x = '1' Ccy=\"CNY\"/>"[..], Encoding::Utf8);
    assert_eq!(xml.open(), Ok(true));
    assert_eq!((xml.attribute("Ccy"), xml.attribute("x"), xml.attribute("y")), (Some("CNY"), Some("1"), None));
}

#[test]
fn entity_bombs_and_outside_entities_are_refused_before_anything_expands() {
    let laughs = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;\">]><l>&b;</l>";
    let outside = "<!DOCTYPE l [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><l>&x;</l>";
    for document in [laughs, outside] {
        assert_eq!(all(document).map_err(|p| p.fault), Err(Fault::Refused));
    }
    let undeclared = all("<a>\n<t>&x;</t></a>").expect_err("refused");
    assert_eq!((undeclared.fault, undeclared.place), (Fault::Refused, Place::at(2, "/a/t")));
}

#[test]
fn what_is_too_deep_or_too_long_ends_with_its_place() {
    let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
    assert_eq!(all(&deep).map_err(|p| p.fault), Err(Fault::Limit));
    let endless = b"<a>\n<t>".chain(io::repeat(b'x').take(10_000_000_000));
    let mut xml = Xml::new(BufReader::new(endless), Encoding::Utf8);
    assert!(xml.open().expect("a") && xml.open().expect("t"));
    let problem = xml.text().expect_err("too long");
    assert_eq!((problem.fault, problem.place), (Fault::Limit, Place::at(2, "/a/t")));
    assert!(xml.buffer.capacity() <= 4 * TOKEN_BYTES_MAX, "{}", xml.buffer.capacity());
}

#[test]
fn a_document_that_ends_early_or_is_not_well_formed_is_a_fault_with_its_line() {
    for (document, line) in [("<a>\n<t>x</t>", 2), ("<a>\n\n</b>", 3), ("<a>\n<", 2)] {
        let problem = all(document).expect_err("broken");
        assert_eq!((problem.fault, problem.place.line), (Fault::Syntax, line), "{document:?}: {problem}");
    }
    let mut xml = Xml::new(&b"<a>\n\xff\xfe</a>"[..], Encoding::Utf8);
    assert!(xml.open().expect("a"));
    assert_eq!(xml.open().map_err(|p| p.fault), Err(Fault::Encoding));
}
