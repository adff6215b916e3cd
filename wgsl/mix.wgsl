// MurmurHash3's 32-bit finaliser (Appleby, 2011): a hash of a number's place and a key is what is random of it.
fn mix32(h0: u32) -> u32 {
  var h = h0 ^ (h0 >> 16u);
  h *= 0x85ebca6bu;
  h ^= h >> 13u;
  h *= 0xc2b2ae35u;
  return h ^ (h >> 16u);
}
