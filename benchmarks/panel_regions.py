"""The regional groups of the United Nations, by ISO 3166 alpha-3 code.

Observers and states without a group are placed with their neighbours: the Holy See (VAT) and the European Union (EU) in Western
Europe and Others, Palestine (PSE) and Kiribati (KIR) in Asia and the Pacific.
"""

from __future__ import annotations

from collections.abc import Mapping

_CODES = {
    "africa": """
        AGO BDI BEN BFA BWA CAF CIV CMR COD COG COM CPV DJI DZA EGY ERI ETH GAB GHA GIN GMB GNB GNQ KEN LBR LBY LSO MAR
        MDG MLI MOZ MRT MUS MWI NAM NER NGA RWA SDN SEN SLE SOM SSD STP SWZ SYC TCD TGO TUN TZA UGA ZAF ZMB ZWE""",
    "asia_pacific": """
        AFG ARE BGD BHR BRN BTN CHN CYP FJI FSM IDN IND IRN IRQ JOR JPN KAZ KGZ KHM KIR KOR KWT LAO LBN LKA MDV MHL MMR
        MNG MYS NPL NRU OMN PAK PHL PLW PNG PRK PSE QAT SAU SGP SLB SYR THA TJK TKM TLS TON TUV UZB VNM VUT WSM YEM""",
    "eastern_europe": """
        ALB ARM AZE BGR BIH BLR CZE EST GEO HRV HUN LTU LVA MDA MKD MNE POL ROU RUS SRB SVK SVN UKR""",
    "latin_america": """
        ARG ATG BHS BLZ BOL BRA BRB CHL COL CRI CUB DMA DOM ECU GRD GTM GUY HND HTI JAM KNA LCA MEX NIC PAN PER PRY SLV
        SUR TTO URY VCT VEN""",
    "western_europe_others": """
        AND AUS AUT BEL CAN CHE DEU DNK ESP EU FIN FRA GBR GRC IRL ISL ISR ITA LIE LUX MCO MLT NLD NOR NZL PRT SMR SWE
        TUR USA VAT""",
}  # fmt: skip

#: Region of each country.
REGIONS: Mapping[str, str] = {code: region for region, codes in _CODES.items() for code in codes.split()}
