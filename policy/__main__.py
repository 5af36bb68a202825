"""The policy pack, for `pulumi preview --policy-pack policy/`, where Pulumi's Python host can start a folder."""

from carbide_infra.policy.pack import main

main()
