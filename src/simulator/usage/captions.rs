//! Captions of CSV files: three languages, and the report that was before.

use crate::simulator::words::CsvLanguage;

/// A column's name, and what other languages put before it.
pub struct Caption {
    pub name: &'static str,
    french: &'static str,
    german: &'static str,
}

const fn caption(name: &'static str, french: &'static str, german: &'static str) -> Caption {
    Caption { name, french, german }
}

impl Caption {
    /// What stands in the file: `Cost`, `Coût (Cost)`.
    pub fn in_language(&self, language: CsvLanguage) -> String {
        let name = self.name;
        match language {
            CsvLanguage::English => name.to_owned(),
            CsvLanguage::French => format!("{} ({name})", self.french),
            CsvLanguage::German => format!("{} ({name})", self.german),
        }
    }
}

/// The columns in their order; the last seven came with version 3. Only nine of the German captions are known from
/// files, the others are made up.
pub const CAPTIONS: [Caption; 40] = [
    caption("AccountId", "ID du compte", "Konto-ID"),
    caption("AccountName", "Nom du compte", "Kontoname"),
    caption("AccountOwnerEmail", "Adresse e-mail du propriétaire du compte", "E-Mail-Adresse des Kontobesitzers"),
    caption("AdditionalInfo", "Informations supplémentaires", "Zusätzliche Informationen"),
    caption("ConsumedQuantity", "Quantité consommée", "Verbrauchte Menge"),
    caption("ConsumedService", "Service consommé", "Verbrauchter Dienst"),
    caption("ConsumedServiceId", "ID du service consommé", "ID des verbrauchten Diensts"),
    caption("Cost", "Coût", "Kosten"),
    caption("CostCenter", "Centre de coûts", "Kostenstelle"),
    caption("Date", "Date", "Datum"),
    caption("DepartmentId", "ID du service", "Abteilungs-ID"),
    caption("DepartmentName", "Nom du service", "Abteilungsname"),
    caption("InstanceId", "ID d'instance", "ID der Instanz"),
    caption("MeterCategory", "Catégorie du compteur", "Kategorie der Verbrauchseinheit"),
    caption("MeterId", "ID du compteur", "ID der Verbrauchseinheit"),
    caption("MeterName", "Nom du compteur", "Name der Verbrauchseinheit"),
    caption("MeterRegion", "Région du compteur", "Region der Verbrauchseinheit"),
    caption("MeterSubCategory", "Sous-catégorie du compteur", "Unterkategorie der Verbrauchseinheit"),
    caption("Product", "Produit", "Produkt"),
    caption("ProductId", "ID du produit", "Produkt-ID"),
    caption("ResourceGroup", "Groupe de ressources", "Ressourcengruppe"),
    caption("ResourceLocation", "Emplacement des ressources", "Ressourcenstandort"),
    caption("ResourceLocationId", "ID d'emplacement des ressources", "ID des Ressourcenstandorts"),
    caption("ResourceRate", "Taux de ressources", "Ressourcensatz"),
    caption("ServiceAdministratorId", "ID de l'administrateur de service", "ID des Dienstadministrators"),
    caption("ServiceInfo1", "Informations de service 1", "Dienstinformationen 1"),
    caption("ServiceInfo2", "Informations de service 2", "Dienstinformationen 2"),
    caption("StoreServiceIdentifier", "Identificateur du service Store", "Store-Dienstbezeichner"),
    caption("SubscriptionGuid", "Guid d'abonnement", "Abonnement-GUID"),
    caption("SubscriptionId", "ID d'abonnement", "Abonnement-ID"),
    caption("SubscriptionName", "Nom de l'abonnement", "Name des Abonnements"),
    caption("Tags", "Balises", "Tags"),
    caption("UnitOfMeasure", "Unité de mesure", "Maßeinheit"),
    caption("PartNumber", "PartNumber", "PartNumber"),
    caption("ResourceGuid", "ResourceGuid", "ResourceGuid"),
    caption("OfferId", "OfferId", "OfferId"),
    caption("ChargesBilledSeparately", "ChargesBilledSeparately", "ChargesBilledSeparately"),
    caption("Location", "Emplacement", "Standort"),
    caption("ServiceName", "ServiceName", "ServiceName"),
    caption("ServiceTier", "ServiceTier", "ServiceTier"),
];

/// The columns of the older report, and the fields they show.
pub const OLD_CAPTIONS: [(&str, &str); 31] = [
    ("AccountOwnerId", "accountOwnerEmail"),
    ("Account Name", "accountName"),
    ("ServiceAdministratorId", "serviceAdministratorId"),
    ("SubscriptionId", "subscriptionId"),
    ("SubscriptionGuid", "subscriptionGuid"),
    ("Subscription Name", "subscriptionName"),
    ("Date", "date"),
    ("Month", "month"),
    ("Day", "day"),
    ("Year", "year"),
    ("Product", "product"),
    ("Meter ID", "meterId"),
    ("Meter Category", "meterCategory"),
    ("Meter Sub-Category", "meterSubCategory"),
    ("Meter Region", "meterRegion"),
    ("Meter Name", "meterName"),
    ("Consumed Quantity", "consumedQuantity"),
    ("ResourceRate", "resourceRate"),
    ("ExtendedCost", "cost"),
    ("Resource Location", "resourceLocation"),
    ("Consumed Service", "consumedService"),
    ("Instance ID", "instanceId"),
    ("ServiceInfo1", "serviceInfo1"),
    ("ServiceInfo2", "serviceInfo2"),
    ("AdditionalInfo", "additionalInfo"),
    ("Tags", "tags"),
    ("Store Service Identifier", "storeServiceIdentifier"),
    ("Department Name", "departmentName"),
    ("Cost Center", "costCenter"),
    ("Unit Of Measure", "unitOfMeasure"),
    ("Resource Group", "resourceGroup"),
];
