require "openssl"

# public_keys: the one in use, during a rotation both; headers: by their names in lower case
def genuine?(public_keys, body, headers)
  id, sent_at = headers["webhook-id"], headers["webhook-timestamp"]
  return false if (Time.now.to_i - sent_at.to_i).abs > 300
  given = headers["webhook-signature"].to_s.split.select { |each| each.start_with?("v1a,") }
  public_keys.product(given).any? do |key, each|
    signed?(key, each.delete_prefix("v1a,").unpack1("m"), "#{id}.#{sent_at}.#{body}")
  end
end

ED25519_HEAD = ["302a300506032b6570032100"].pack("H*") # what stands before the key in DER (RFC 8410)

def signed?(public_key, signature, signed)
  key = OpenSSL::PKey.read(ED25519_HEAD + public_key.delete_prefix("whpk_").unpack1("m"))
  signature.bytesize == 64 && key.verify(nil, signature, signed)
end
