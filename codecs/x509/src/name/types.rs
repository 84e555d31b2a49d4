//! Short names of attribute types, by object identifier, as OpenSSL has them. Types without one are written as numbers.

/// 2.5.4 (X.520), from 3 on.
const X520: &str = "CN SN serialNumber C L ST street O OU title description searchGuide businessCategory postalAddress \
    postalCode postOfficeBox physicalDeliveryOfficeName telephoneNumber telexNumber teletexTerminalIdentifier \
    facsimileTelephoneNumber x121Address internationaliSDNNumber registeredAddress destinationIndicator \
    preferredDeliveryMethod presentationAddress supportedApplicationContext member owner roleOccupant seeAlso \
    userPassword userCertificate cACertificate authorityRevocationList certificateRevocationList crossCertificatePair \
    name GN initials generationQualifier x500UniqueIdentifier dnQualifier enhancedSearchGuide protocolInformation \
    distinguishedName uniqueMember houseIdentifier supportedAlgorithms deltaRevocationList dmdName";

/// 0.9.2342.19200300.100.1 (RFC 4524 and before it RFC 1274), from 1 on. A dash: none.
const PILOT: &str = "UID textEncodedORAddress mail info favouriteDrink roomNumber photo userClass host manager \
    documentIdentifier documentTitle documentVersion documentAuthor documentLocation - - - - homeTelephoneNumber secretary \
    otherMailbox lastModifiedTime lastModifiedBy DC aRecord pilotAttributeType27 mXRecord nSRecord sOARecord cNAMERecord - \
    - - - - associatedDomain associatedName homePostalAddress personalTitle mobileTelephoneNumber pagerTelephoneNumber \
    friendlyCountryName uid organizationalStatus janetMailbox mailPreferenceOption buildingName dSAQuality \
    singleLevelQuality subtreeMinimumQuality subtreeMaximumQuality personalSignature dITRedirect audio documentPublisher";

/// `oid`: the body of an object identifier.
pub(super) fn short_name(oid: &[u8]) -> Option<&'static str> {
    let nth = |names: &'static str, nth: usize| names.split_whitespace().nth(nth).filter(|name| *name != "-");
    match *oid {
        [0x55, 4, number @ 3..=54] => nth(X520, usize::from(number) - 3),
        [0x55, 4, 65] => Some("pseudonym"),
        [0x55, 4, 72] => Some("role"),
        [0x55, 4, 97] => Some("organizationIdentifier"),
        [0x55, 4, 98] => Some("c3"),
        [0x55, 4, 99] => Some("n3"),
        [0x55, 4, 100] => Some("dnsName"),
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, number @ 1..=56] => nth(PILOT, usize::from(number) - 1),
        // 1.2.840.113549.1.9 (RFC 2985).
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, number] => match number {
            1 => Some("emailAddress"),
            2 => Some("unstructuredName"),
            7 => Some("challengePassword"),
            8 => Some("unstructuredAddress"),
            20 => Some("friendlyName"),
            _ => None,
        },
        // 1.3.6.1.4.1.311.60.2.1: extended validation.
        [0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x3c, 0x02, 0x01, number] => match number {
            1 => Some("jurisdictionL"),
            2 => Some("jurisdictionST"),
            3 => Some("jurisdictionC"),
            _ => None,
        },
        _ => None,
    }
}
