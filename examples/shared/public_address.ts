/**
 * Which addresses anyone may reach, by the IANA registries of special-purpose addresses
 * (RFC 6890).
 *
 * @module
 */

import { BlockList, isIPv4, isIPv6 } from "node:net";

const special = new BlockList();
for (
  const subnet of [
    "0.0.0.0/8", // this network
    "10.0.0.0/8", // private
    "100.64.0.0/10", // between a provider and its customers
    "127.0.0.0/8", // loopback
    "169.254.0.0/16", // link-local, and the metadata of cloud machines
    "172.16.0.0/12", // private
    "192.0.0.0/24", // protocols of the IETF
    "192.0.2.0/24", // documentation
    "192.88.99.0/24", // 6to4 relays
    "192.168.0.0/16", // private
    "198.18.0.0/15", // benchmarks
    "198.51.100.0/24", // documentation
    "203.0.113.0/24", // documentation
    "224.0.0.0/3", // multicast, reserved, broadcast
    // Outside of 2000::/3: loopback, IPv4 within IPv6, private, link-local, multicast.
    "::/3",
    "4000::/2",
    "8000::/1",
    "2001::/23", // protocols of the IETF, such as Teredo
    "2001:db8::/32", // documentation
    "2002::/16", // 6to4
    "3fff::/20", // documentation
  ]
) {
  const [network, prefix] = subnet.split("/") as [string, string];
  const family = isIPv4(network) ? "ipv4" : "ipv6";
  special.addSubnet(network, Number(prefix), family);
}

/** Whether it is a public unicast address; a name, or one with a zone, is none. */
export function isPublic(address: string): boolean {
  if (isIPv4(address)) return !special.check(address, "ipv4");
  return isIPv6(address) && !address.includes("%") &&
    !special.check(address, "ipv6");
}
