//! The parts of an OCDS compiled release that the red flags read (OCDS 1.1, release schema).

use super::lenient::{List, Number, Text, lenient_object};

lenient_object! {
    /// One contracting process.
    Release {
        "ocid" => ocid: Text<'a>,
        "buyer" => buyer: Organization<'a>,
        "tender" => tender: Tender<'a>,
        "bids" => bids: Bids<'a>,
        "awards" => awards: List<Award<'a>>,
    }
}

lenient_object! {
    /// A reference to an organisation.
    Organization { "id" => id: Text<'a> }
}

lenient_object! {
    /// The tender.
    Tender {
        "status" => status: Text<'a>,
        "procurementMethod" => method: Text<'a>,
        "procurementMethodDetails" => method_details: Text<'a>,
        "numberOfTenderers" => tenderers: Number,
        "tenderPeriod" => period: Period<'a>,
        "procuringEntity" => procuring_entity: Organization<'a>,
    }
}

lenient_object! {
    /// The time in which bids may be handed in.
    Period { "startDate" => start: Text<'a>, "endDate" => end: Text<'a> }
}

lenient_object! {
    /// The bids extension.
    Bids { "details" => details: List<Bid<'a>> }
}

lenient_object! {
    /// One bid.
    Bid {
        "status" => status: Text<'a>,
        "date" => date: Text<'a>,
        "tenderers" => tenderers: List<Organization<'a>>,
        "value" => value: Amount<'a>,
    }
}

lenient_object! {
    /// A monetary value.
    Amount { "amount" => amount: Number, "currency" => currency: Text<'a> }
}

lenient_object! {
    /// One award.
    Award {
        "status" => status: Text<'a>,
        "suppliers" => suppliers: List<Organization<'a>>,
        "items" => items: List<Item<'a>>,
    }
}

lenient_object! {
    /// One awarded item.
    Item { "classification" => classification: Classification<'a> }
}

lenient_object! {
    /// The class of an item.
    Classification { "id" => id: Text<'a> }
}
