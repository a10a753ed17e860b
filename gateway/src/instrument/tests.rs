use super::*;
use minewatch_domain::{At, Quality, Reason};
use proptest::prelude::*;

const HEAD: &str = "id = 't'\nname = { zh = '甲', en = 'T' }\nsource = ['https://example.com/t.pdf']\nverified = 'document'\nfunction = 'holding'\n";

fn quantity(id: &str, register: u16, rest: &str) -> String {
    format!("[[quantity]]\nid = '{id}'\nname = {{ zh = '量', en = 'q' }}\nregister = {register}\n{rest}\n")
}

fn map(body: &str) -> RegisterMap {
    RegisterMap::parse("t.toml", &format!("{HEAD}{body}")).expect("valid map")
}

fn problems(body: &str) -> Vec<String> {
    RegisterMap::parse("t.toml", &format!("{HEAD}{body}"))
        .expect_err("must be refused")
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn all(map: &RegisterMap) -> Vec<usize> {
    (0..map.quantities.len()).collect()
}

/// Answers a plan from a table of holding registers that starts at 0.
fn answer(plan: &Plan, registers: &[u16], at: At) -> Vec<Answer> {
    plan.requests
        .iter()
        .map(|r| Answer { at, words: Ok(registers[usize::from(r.address)..][..usize::from(r.count)].to_vec()) })
        .collect()
}

fn read_all(map: &RegisterMap, registers: &[u16]) -> Vec<(Option<f64>, Quality, Reason)> {
    let plan = plan(map, &all(map));
    decode(map, &plan, &answer(&plan, registers, At(0)), At(0)).iter().map(|r| (r.value, r.quality, r.reason)).collect()
}

#[test]
fn the_same_two_words_mean_pi_in_each_of_the_four_orders() {
    let [a, b, c, d] = std::f32::consts::PI.to_be_bytes();
    let word = |high, low| u16::from_be_bytes([high, low]);
    for (order, words) in [
        ("ABCD", [word(a, b), word(c, d)]),
        ("CDAB", [word(c, d), word(a, b)]),
        ("BADC", [word(b, a), word(d, c)]),
        ("DCBA", [word(d, c), word(b, a)]),
    ] {
        let map = map(&quantity("pi", 0, &format!("type = 'f32'\norder = '{order}'")));
        assert_eq!(read_all(&map, &words)[0].0, Some(f64::from(std::f32::consts::PI)), "{order}");
        let views = all_orders(&words);
        let seen =
            views.iter().filter(|v| v.value_type == ValueType::F32 && (v.number - std::f64::consts::PI).abs() < 1e-6);
        assert_eq!(seen.map(|v| v.order.name()).collect::<Vec<_>>(), [order], "side by side, exactly one order fits");
    }
}

#[test]
fn sixty_four_bits_extend_the_four_orders() {
    let value: u64 = 0x0102_0304_0506_0708;
    for (order, words) in [
        (ByteOrder::Abcd, [0x0102, 0x0304, 0x0506, 0x0708]),
        (ByteOrder::Cdab, [0x0708, 0x0506, 0x0304, 0x0102]),
        (ByteOrder::Badc, [0x0201, 0x0403, 0x0605, 0x0807]),
        (ByteOrder::Dcba, [0x0807, 0x0605, 0x0403, 0x0201]),
    ] {
        assert_eq!(bits_to_words(value, 4, order), words, "{order}");
        assert_eq!(words_to_bits(&words, order), value, "{order}");
    }
}

#[test]
fn addresses_are_taken_as_the_file_says_and_end_up_as_on_the_wire() {
    let at = |base: &str, register: &str| {
        let text = format!(
            "id='t'\nname={{zh='甲',en='T'}}\nsource='x'\nverified='document'\naddress_base='{base}'\n[[quantity]]\nid='a'\nname={{zh='甲',en='a'}}\n{register}\ntype='u16'"
        );
        RegisterMap::parse("t.toml", &text).map(|m| (m.quantities[0].function, m.quantities[0].address))
    };
    assert_eq!(at("zero", "register=0x100\nfunction='holding'"), Ok((Function::Holding, 256)));
    assert_eq!(at("one", "register=1\nfunction='input'"), Ok((Function::Input, 0)));
    assert_eq!(at("modicon", "register=40001"), Ok((Function::Holding, 0)));
    assert_eq!(at("modicon", "register=30011"), Ok((Function::Input, 10)));
    assert_eq!(at("modicon", "register=465536"), Ok((Function::Holding, 65_535)));
    for refused in ["register=40001\nfunction='input'", "register=20000"] {
        assert!(at("modicon", refused).is_err(), "{refused}");
    }
    assert!(at("one", "register=0\nfunction='input'").is_err(), "there is no register 0 when counting from 1");
    assert!(at("zero", "register=1").is_err(), "a table must be named");
}

#[test]
fn sentinels_status_bits_and_not_a_number_become_quality_and_never_a_value() {
    let map = map(&[
        quantity("rain", 0, "type = 'u16'\nscale = 0.1\nsentinels = [0xFFFF]"),
        quantity("temp", 1, "type = 'i16'\nscale = 0.1\nsentinels = [0xFFFF, 32767]"),
        quantity("level", 2, "type = 'f32'\nrange = [0, 10]\nstatus = { register = 4, bit = 1 }"),
        quantity("hint", 5, "type = 'u16'\nstatus = { register = 4, bit = 2, severity = 'uncertain' }"),
        quantity("field", 6, "type = 'bits'\nbit = 4\nbits = 4"),
        quantity("code", 7, "type = 'u16'\nstatus = { register = 8, bits = 4, bit = 8, good_when = [0] }"),
    ]
    .concat());
    let f = |value: f32| [(value.to_bits() >> 16) as u16, value.to_bits() as u16];
    let registers = |level: f32, status: u16| {
        let [high, low] = f(level);
        [0xffff, 0x7fff, high, low, status, 7, 0x12a4, 9, 0x0300]
    };
    let good = Reason::None;
    let read = read_all(&map, &registers(2.5, 0));
    assert_eq!(read[0], (None, Quality::Bad, Reason::Sentinel));
    assert_eq!(read[1], (None, Quality::Bad, Reason::Sentinel));
    assert_eq!(read[2], (Some(2.5), Quality::Good, good));
    assert_eq!(read[3], (Some(7.0), Quality::Good, good));
    assert_eq!(read[4], (Some(10.0), Quality::Good, good));
    assert_eq!(read[5], (None, Quality::Bad, Reason::StatusBit));
    assert_eq!(read_all(&map, &registers(2.5, 0b010))[2], (None, Quality::Bad, Reason::StatusBit));
    assert_eq!(read_all(&map, &registers(2.5, 0b100))[3], (Some(7.0), Quality::Uncertain, Reason::StatusBit));
    assert_eq!(read_all(&map, &registers(11.0, 0))[2], (Some(11.0), Quality::Bad, Reason::OutOfRange));
    for not_a_number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(read_all(&map, &registers(not_a_number, 0))[2], (None, Quality::Bad, Reason::NotFinite));
    }
}

#[test]
fn the_instruments_own_age_decides_the_source_time_and_freshness() {
    let map = map(&quantity("a", 0, "type = 'u16'\nage = { register = 1, scale_s = 1, max_s = 600 }"));
    let plan = plan(&map, &[0]);
    let at = At::from_millis(10_000_000);
    let fresh = decode(&map, &plan, &answer(&plan, &[5, 60], at), at)[0];
    assert_eq!((fresh.at, fresh.value, fresh.quality), (at.plus_millis(-60_000), Some(5.0), Quality::Good));
    let old = decode(&map, &plan, &answer(&plan, &[5, 601], at), at)[0];
    assert_eq!((old.value, old.quality, old.reason), (Some(5.0), Quality::Bad, Reason::Stale));
}

#[test]
fn one_bad_missing_or_short_answer_costs_only_its_own_readings() {
    let map = map(&format!(
        "gap_max = 0\n{}{}{}",
        quantity("a", 0, "type = 'u16'"),
        quantity("b", 10, "type = 'u16'"),
        quantity("c", 20, "type = 'f32'")
    ));
    let plan = plan(&map, &all(&map));
    assert_eq!(plan.requests.len(), 3);
    let at = At(1);
    let answers = [
        Answer { at, words: Ok(vec![1]) },
        Answer { at, words: Err(Reason::ModbusException) },
        Answer { at, words: Ok(vec![0]) },
    ];
    let reasons = |answers: &[Answer]| decode(&map, &plan, answers, At(9)).iter().map(|r| r.reason).collect::<Vec<_>>();
    assert_eq!(reasons(&answers), [Reason::None, Reason::ModbusException, Reason::DecodeFault]);
    assert_eq!(reasons(&answers[..1]), [Reason::None, Reason::Timeout, Reason::Timeout]);
}

#[test]
fn a_hundred_adjacent_registers_are_one_request_and_a_32_register_device_gets_many() {
    let mut body: String = (0..100).map(|i| quantity(&format!("q{i}"), i, "type = 'u16'")).collect();
    let one = map(&body);
    assert_eq!(plan(&one, &all(&one)).requests, [ReadRequest { function: Function::Holding, address: 0, count: 100 }]);
    body.insert_str(0, "block_max = 32\n");
    let many = map(&body);
    assert_eq!(plan(&many, &all(&many)).requests.iter().map(|r| r.count).collect::<Vec<_>>(), [32, 32, 32, 4]);
}

#[test]
fn a_read_together_group_is_read_whole_even_when_one_member_is_wanted() {
    let map = map(&format!(
        "gap_max = 0\nblock_max = 4\n{}{}{}",
        quantity("a", 2, "type = 'u16'"),
        quantity("high", 4, "type = 'u16'\ngroup = 'rain'"),
        quantity("low", 6, "type = 'u16'\ngroup = 'rain'")
    ));
    assert_eq!(plan(&map, &[2]).requests, [ReadRequest { function: Function::Holding, address: 4, count: 3 }]);
}

#[test]
fn every_problem_of_a_file_is_reported_at_once_with_its_place() {
    let found = problems(&format!(
        "colour = 'red'\nblock_max = 200\n{}{}{}",
        quantity("a", 0, "type = 'u17'\nscael = 2"),
        quantity("b", 65_535, "type = 'f32'"),
        quantity("c", 1, "type = 'u16'\nrange = [5, 1]\nsentinels = [70000]\nstatus = { register = 3, bit = 20 }")
    ));
    let expected = [
        "t.toml: block_max is the number 200 but must be a whole number from 1 to 125",
        "t.toml: quantity[0] \"a\": type \"u17\" is not one of u16, i16, u32, i32, u64, i64, f32, f64, bit, bits; did you mean \"u16\"?",
        "t.toml: quantity[0] \"a\": unknown key \"scael\"; did you mean \"scale\"?",
        "t.toml: quantity[1] \"b\": the last register lies beyond address 65535",
        "t.toml: quantity[2] \"c\": range must be [low, high] with low below high",
        "t.toml: quantity[2] \"c\": sentinel 70000 does not fit in u16",
        "t.toml: quantity[2] \"c\": status[0]: the field of 1 bits at bit 20 does not lie in a u16 status word",
        "t.toml: unknown key \"colour\"",
    ];
    for line in expected {
        assert!(found.iter().any(|f| f == line), "missing: {line}\nfound: {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn a_file_without_source_or_with_a_trigger_on_a_blocked_register_is_refused() {
    let text =
        format!("{HEAD}{}", quantity("a", 0, "type = 'u16'")).replace("source = ['https://example.com/t.pdf']\n", "");
    let found = RegisterMap::parse("t.toml", &text).expect_err("no source");
    assert!(found[0].what.starts_with("source is missing"), "{found:?}");
    let found = problems(&format!(
        "[trigger]\nregister = 280\nvalue = 1\nwait_ms = 10\n[[blocked]]\nregister = 200\nlast = 300\nreason = 'line settings'\n{}",
        quantity("a", 0, "type = 'u16'")
    ));
    assert_eq!(found, ["t.toml: trigger writes register 280, which is blocked: line settings"]);
    assert!(RegisterMap::parse("t.toml", "a = [").is_err_and(|p| p[0].place == "t.toml: line 1"));
}

#[test]
fn a_repeated_entry_is_many_quantities_and_reports_its_problems_once() {
    let map = map(&quantity(
        "s{n}",
        10,
        "type = 'i16'\nrepeat = { count = 12, step = 16 }\nage = { register = 8, max_s = 60, step = 16 }\nstatus = { register = 5, bit = 12, bits = 4, bit_step = 4 }",
    ));
    assert_eq!(map.quantities.len(), 12);
    let last = &map.quantities[11];
    assert_eq!((last.id.as_str(), last.address), ("s12", 10 + 11 * 16));
    assert_eq!(last.age.as_ref().map(|age| age.address), Some(8 + 11 * 16));
    assert_eq!((last.status[0].address, last.status[0].bit), (5 + 3, 8), "half bytes run on into the next word");
    let found = problems(&quantity("s", 10, "type = 'i16'\nrepeat = { count = 3 }\nscale = 0"));
    assert_eq!(found.len(), 3, "no {{n}}, scale 0, and the ids that are therefore equal: {found:#?}");
}

fn any_type() -> impl Strategy<Value = (ValueType, &'static str)> {
    prop::sample::select(vec![
        (ValueType::U16, "u16"),
        (ValueType::I16, "i16"),
        (ValueType::U32, "u32"),
        (ValueType::I32, "i32"),
        (ValueType::U64, "u64"),
        (ValueType::I64, "i64"),
        (ValueType::F32, "f32"),
        (ValueType::F64, "f64"),
    ])
}

fn any_order() -> impl Strategy<Value = ByteOrder> {
    prop::sample::select(ByteOrder::ALL.to_vec())
}

proptest! {
    #[test]
    fn every_bit_pattern_survives_every_type_and_order(bits in any::<u64>(), (value_type, _) in any_type(), order in any_order()) {
        let words = value_type.words();
        let mask = if words == 4 { u64::MAX } else { (1u64 << (16 * words)) - 1 };
        let bits = bits & mask;
        prop_assert_eq!(words_to_bits(&bits_to_words(bits, words, order), order), bits);
        let number = value_type.number(bits);
        if number.is_finite() && number.abs() < 9e15 {
            prop_assert_eq!(value_type.bits_of(number), Some(bits));
        }
    }

    #[test]
    fn a_plan_covers_every_wanted_value_within_the_limits(
        entries in prop::collection::vec((0u16..400, any_type(), prop::option::of(0u16..400), any::<bool>()), 1..40),
        block_max in 4u16..=125,
        gap_max in 0u16..20,
        picks in prop::collection::vec(any::<bool>(), 40),
    ) {
        let mut body = format!("block_max = {block_max}\ngap_max = {gap_max}\n");
        for (i, (address, (_, name), status, _)) in entries.iter().enumerate() {
            let status = status.map(|s| format!("\nstatus = {{ register = {s} }}")).unwrap_or_default();
            body.push_str(&quantity(&format!("q{i}"), *address, &format!("type = '{name}'{status}")));
        }
        let map = map(&body);
        let wanted: Vec<usize> = all(&map).into_iter().filter(|i| picks[*i]).collect();
        let made = plan(&map, &wanted);
        let mut spans = 0;
        for index in &wanted {
            let q = &map.quantities[*index];
            let needs = std::iter::once((q.address, q.words())).chain(q.status.iter().map(|s| (s.address, 1)));
            for (address, words) in needs {
                spans += 1;
                let inside = made.requests.iter().filter(|r| r.address <= address && address + words <= r.address + r.count);
                prop_assert!(inside.count() >= 1, "{address}+{words} not whole in {:?}", made.requests);
            }
        }
        prop_assert!(made.requests.iter().all(|r| r.count <= block_max && r.count > 0));
        prop_assert!(made.requests.len() <= spans, "never more requests than one per value");
        let registers: Vec<u16> = (0..410).collect();
        let readings = decode(&map, &made, &answer(&made, &registers, At(3)), At(3));
        prop_assert_eq!(readings.iter().map(|r| r.quantity).collect::<Vec<_>>(), wanted);
        for reading in readings {
            let q = &map.quantities[reading.quantity];
            let own = &registers[usize::from(q.address)..][..usize::from(q.words())];
            let expected = q.value_of(words_to_bits(own, q.order));
            let good = q.status.iter().all(|s| s.is_good(u64::from(s.address)));
            if good && expected.is_finite() {
                prop_assert_eq!(reading.value, Some(expected));
            } else {
                prop_assert_eq!(reading.value, None);
            }
        }
    }

    #[test]
    fn blocks_made_smaller_again_and_again_still_bring_every_value_and_come_to_an_end(
        addresses in prop::collection::btree_set(0u16..200, 1..40),
        gap_max in 0u16..12,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..200),
    ) {
        let mut body = format!("gap_max = {gap_max}\n");
        for address in &addresses {
            body.push_str(&quantity(&format!("q{address}"), *address, "type = 'u16'"));
        }
        let map = map(&body);
        let mut made = plan(&map, &all(&map));
        let registers: Vec<u16> = (0..200).collect();
        for pick in picks {
            let refused = *pick.get(&made.requests);
            match made.smaller(&map, refused) {
                None => prop_assert_eq!(refused.count, 1, "only a single value cannot be made smaller here"),
                Some(smaller) => {
                    prop_assert!(smaller.requests.iter().filter(|r| !made.requests.contains(r)).all(|r| r.count < refused.count));
                    made = smaller;
                }
            }
            let values: Vec<Option<f64>> =
                decode(&map, &made, &answer(&made, &registers, At(3)), At(3)).iter().map(|r| r.value).collect();
            prop_assert_eq!(values, addresses.iter().map(|a| Some(f64::from(*a))).collect::<Vec<_>>());
        }
    }

    #[test]
    fn unwanted_registers_are_read_only_as_gaps_between_wanted_ones(
        addresses in prop::collection::btree_set(0u16..600, 1..60),
        gap_max in 0u16..12,
    ) {
        let mut body = format!("gap_max = {gap_max}\n");
        for address in &addresses {
            body.push_str(&quantity(&format!("q{address}"), *address, "type = 'u16'"));
        }
        let map = map(&body);
        let made = plan(&map, &all(&map));
        let mut read = Vec::new();
        for r in &made.requests {
            let own: Vec<u16> = (r.address..r.address + r.count).collect();
            prop_assert!(addresses.contains(&own[0]) && addresses.contains(&own[own.len() - 1]));
            let holes = own.split(|a| addresses.contains(a)).map(<[u16]>::len).max().unwrap_or(0);
            prop_assert!(holes <= usize::from(gap_max));
            read.extend(own);
        }
        prop_assert!(read.windows(2).all(|pair| pair[0] < pair[1]), "no register is read twice");
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}") {
        let _ = RegisterMap::parse("t.toml", &text);
    }
}
