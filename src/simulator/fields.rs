//! The usage detail as this service writes it: its 40 fields in the order of the wire, and who knows each value.
//!
//! This table is the simulator's own, written from the API's documentation. It must not be replaced by the client's
//! contract: a mistake that both sides share would pass every test.

/// Who knows a field's value. Neighbours of one source are rendered once, as one fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The meter in its region.
    Meter,
    /// The subscription, its account and its department.
    Subscription,
    /// The resource.
    Resource,
    /// The row: its cost.
    Cost,
    /// The row: its quantity.
    Quantity,
    /// The day.
    Date,
}

use Source::{Cost, Date, Meter, Quantity, Resource, Subscription};

/// The fields of a v3 usage detail in wire order.
pub const FIELDS: [(&str, Source); 40] = [
    ("serviceName", Meter),
    ("serviceTier", Meter),
    ("location", Meter),
    ("chargesBilledSeparately", Meter),
    ("partNumber", Meter),
    ("resourceGuid", Meter),
    ("offerId", Subscription),
    ("cost", Cost),
    ("accountId", Subscription),
    ("productId", Meter),
    ("resourceLocationId", Meter),
    ("consumedServiceId", Meter),
    ("departmentId", Subscription),
    ("accountOwnerEmail", Subscription),
    ("accountName", Subscription),
    ("serviceAdministratorId", Subscription),
    ("subscriptionId", Subscription),
    ("subscriptionGuid", Subscription),
    ("subscriptionName", Subscription),
    ("date", Date),
    ("product", Meter),
    ("meterId", Meter),
    ("meterCategory", Meter),
    ("meterSubCategory", Meter),
    ("meterRegion", Meter),
    ("meterName", Meter),
    ("consumedQuantity", Quantity),
    ("resourceRate", Meter),
    ("resourceLocation", Meter),
    ("consumedService", Meter),
    ("instanceId", Resource),
    ("serviceInfo1", Resource),
    ("serviceInfo2", Resource),
    ("additionalInfo", Resource),
    ("tags", Resource),
    ("storeServiceIdentifier", Subscription),
    ("departmentName", Subscription),
    ("costCenter", Subscription),
    ("unitOfMeasure", Meter),
    ("resourceGroup", Resource),
];
