use super::*;
use crate::fault::Fault;
use crate::modbus::pdu::{self, Request, Table};

fn plant() -> Plant {
    Plant::new(1, Scenario::Normal, 1.0, 2)
}

fn ask(unit: u8, request: &Request) -> Adu {
    Adu { transaction: 7, unit, pdu: pdu::encode_request(request) }
}

fn read(table: Table, address: u16, count: u16) -> Request {
    Request::Read { table, address, count }
}

/// The PDU answered to a request on the dam's TCP line.
fn answered(plant: &mut Plant, unit: u8, request: &Request) -> Vec<u8> {
    match plant.answer(Route::Dam, Framing::Tcp, &ask(unit, request), 0).outcome {
        Outcome::Send(adu, Damage::None) => {
            assert_eq!((adu.transaction, adu.unit), (7, unit));
            adu.pdu
        }
        other @ (Outcome::Send(..) | Outcome::Silence | Outcome::Close) => panic!("{other:?}"),
    }
}

fn float(pdu: &[u8], at: usize) -> f32 {
    f32::from_be_bytes(pdu[2 + at * 2..6 + at * 2].try_into().expect("four bytes"))
}

fn arm(plant: &mut Plant, device: &str, fault: Fault, times: Option<u64>) {
    plant.arm(device, Armed { fault, times, chance: 1.0 }).expect("armed");
}

/// Register values a counter device answers, if it answers well.
fn counter(plant: &mut Plant, day_ms: u32) -> Option<Vec<u16>> {
    let adu = ask(1, &read(Table::HoldingRegisters, 0, 100));
    match plant.answer(Route::Counter(0), Framing::Tcp, &adu, day_ms).outcome {
        Outcome::Send(answer, Damage::None) if answer.transaction == 7 && answer.pdu[..2] == [3, 200] => {
            Some(answer.pdu[2..].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
        }
        Outcome::Send(..) | Outcome::Silence | Outcome::Close => None,
    }
}

#[test]
fn every_instrument_of_the_map_answers_plausible_floats() {
    let mut plant = plant();
    for (unit, ranges) in [
        (1, &[122.5..122.7, 2.3..2.5, 158.0..162.0][..]),
        (2, &[0.0..1.0, 0.0..1.0]),
        (3, &[0.5..3.0]),
        (11, &[110.0..120.0, 8.0..18.0]),
        (16, &[97.0..103.0, 8.0..18.0]),
        (21, &[-6.0..6.0, -9.0..9.0, -0.1..0.2]),
        (24, &[-6.0..6.0, -9.0..9.0, -0.1..0.2]),
    ] {
        let count = ranges.len() as u16 * 2;
        let pdu = answered(&mut plant, unit, &read(Table::InputRegisters, 0, count));
        for (i, range) in ranges.iter().enumerate() {
            assert!(range.contains(&float(&pdu, i * 2)), "unit {unit} value {i}: {}", float(&pdu, i * 2));
        }
        assert_eq!(answered(&mut plant, unit, &read(Table::InputRegisters, 0, count + 1)), [0x84, 2]);
        assert_eq!(answered(&mut plant, unit, &read(Table::HoldingRegisters, 0, 2)), [0x83, 1]);
    }
}

#[test]
fn nobody_answers_for_an_unknown_unit_on_a_serial_line_and_the_gateway_does_on_tcp() {
    let mut plant = plant();
    let adu = ask(77, &read(Table::InputRegisters, 0, 2));
    assert_eq!(plant.answer(Route::Dam, Framing::Rtu, &adu, 0).outcome, Outcome::Silence);
    assert_eq!(answered(&mut plant, 77, &read(Table::InputRegisters, 0, 2)), [0x84, 0x0B]);
    assert_eq!(plant.state().unknown_unit_requests, 2);
}

#[test]
fn a_counter_counts_its_reads_and_tells_the_time_of_the_read() {
    let mut plant = plant();
    let first = counter(&mut plant, 70_000).expect("answer");
    assert_eq!((u32::from(first[0]) << 16) + u32::from(first[1]), 70_000);
    assert_eq!((first[2], first[3], first[99]), (51, 1, 1));
    let second = counter(&mut plant, 70_100).expect("answer");
    assert_eq!((second[3], second[99]), (2, 2));
    assert_eq!(plant.counters()[0].reads, vec![2; 100]);
    assert_eq!(plant.counters()[1].reads, vec![0; 100]);
}

#[test]
fn only_a_well_formed_answer_counts_as_a_read() {
    let mut plant = plant();
    let faults = [
        Fault::Exception { code: 6 },
        Fault::Silence,
        Fault::WrongTransaction,
        Fault::Truncated,
        Fault::WrongByteCount,
        Fault::BadChecksum,
        Fault::Drop,
    ];
    for fault in faults {
        arm(&mut plant, "counter-0", fault, Some(1));
        assert_eq!(counter(&mut plant, 1), None, "{fault:?}");
    }
    assert_eq!(counter(&mut plant, 2).expect("well again")[3], 1);
    arm(&mut plant, "counter-0", Fault::Stuck, Some(1));
    assert_eq!(counter(&mut plant, 3).expect("an old answer")[3], 1);
    let state = plant.state();
    let device = state.devices.iter().find(|d| d.id == "counter-0").expect("listed");
    assert_eq!((device.traffic.requests, device.traffic.faults, device.traffic.answered), (9, 8, 1));
}

#[test]
fn a_slow_answer_is_a_good_answer_later() {
    let mut plant = plant();
    arm(&mut plant, "pz11", Fault::Slow { delay_ms: 900 }, Some(1));
    let adu = ask(11, &read(Table::InputRegisters, 0, 2));
    assert_eq!(plant.answer(Route::Dam, Framing::Tcp, &adu, 0).delay_ms, 900);
    assert_eq!(plant.answer(Route::Dam, Framing::Tcp, &adu, 0).delay_ms, 0);
}

#[test]
fn a_stuck_instrument_repeats_itself_until_cleared_and_a_spike_passes() {
    let mut plant = Plant::new(1, Scenario::Storm, 1_000.0, 0);
    let request = read(Table::InputRegisters, 0, 2);
    arm(&mut plant, "pond", Fault::Stuck, None);
    let stuck = answered(&mut plant, 1, &request);
    plant.advance(10.0);
    assert_eq!(answered(&mut plant, 1, &request), stuck);
    plant.clear(Some("pond")).expect("known");
    assert_ne!(answered(&mut plant, 1, &request), stuck);
    let before = float(&answered(&mut plant, 1, &request), 0);
    arm(&mut plant, "pond", Fault::Spike { add: 50.0, register: 0 }, Some(1));
    assert_eq!(float(&answered(&mut plant, 1, &request), 0), before + 50.0);
    assert_eq!(float(&answered(&mut plant, 1, &request), 0), before);
}

#[test]
fn the_siren_is_read_back_unless_its_contact_sticks() {
    let mut plant = plant();
    let write = |on| Request::WriteCoil { address: 0, on };
    let contact = read(Table::DiscreteInputs, 0, 1);
    assert_eq!(answered(&mut plant, 90, &write(true)), [5, 0, 0, 0xFF, 0]);
    assert_eq!(answered(&mut plant, 90, &contact), [2, 1, 1]);
    assert_eq!(plant.state().siren, SirenState { coil: true, read_back: true });
    arm(&mut plant, "siren", Fault::ReadbackStuck, None);
    answered(&mut plant, 90, &write(false));
    assert_eq!(answered(&mut plant, 90, &contact), [2, 1, 1]);
    assert_eq!(plant.state().siren, SirenState { coil: false, read_back: true });
    plant.clear(None).expect("all");
    assert_eq!(answered(&mut plant, 90, &contact), [2, 1, 0]);
    assert_eq!(answered(&mut plant, 90, &Request::WriteCoil { address: 1, on: true }), [0x85, 2]);
}

#[test]
fn the_scratch_device_keeps_what_is_written() {
    let mut plant = plant();
    answered(&mut plant, 95, &Request::WriteRegisters { address: 98, values: vec![1, 2] });
    assert_eq!(answered(&mut plant, 95, &read(Table::HoldingRegisters, 97, 3)), [3, 6, 0, 0, 0, 1, 0, 2]);
    answered(&mut plant, 95, &Request::WriteCoils { address: 0, values: vec![true, false, true] });
    assert_eq!(answered(&mut plant, 95, &read(Table::Coils, 0, 3)), [1, 1, 5]);
    let over = Request::WriteRegisters { address: 99, values: vec![1, 2] };
    assert_eq!(answered(&mut plant, 95, &over), [0x90, 2]);
}

#[test]
fn refusing_is_about_connections_and_unknown_names_are_told() {
    let mut plant = plant();
    arm(&mut plant, "counter-1", Fault::Refuse, Some(1));
    assert!(!plant.refuses(Route::Counter(0)) && !plant.refuses(Route::Dam));
    assert!(plant.refuses(Route::Counter(1)));
    assert!(!plant.refuses(Route::Counter(1)));
    let armed = Armed { fault: Fault::Silence, times: None, chance: 1.0 };
    assert_eq!(plant.arm("pz99", armed), Err(PlantError::UnknownDevice("pz99".into())));
    assert!(plant.scenario(Scenario::Storm, f64::NAN, None).is_err());
}

#[test]
fn random_faults_of_the_same_seed_are_the_same() {
    let run = |seed| {
        let mut plant = Plant::new(seed, Scenario::Normal, 1.0, 1);
        let armed = Armed { fault: Fault::Silence, times: None, chance: 0.3 };
        plant.arm("counter-0", armed).expect("armed");
        (0..200).map(|_| counter(&mut plant, 0).is_some()).collect::<Vec<bool>>()
    };
    assert_eq!(run(4), run(4));
    let answered = run(4).into_iter().filter(|ok| *ok).count();
    assert!((110..170).contains(&answered), "{answered} of 200 answered");
}
