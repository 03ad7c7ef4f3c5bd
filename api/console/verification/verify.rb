require "openssl"

# secrets: the one in use, during a rotation both; headers: by their names in lower case
def genuine?(secrets, body, headers)
  secrets.any? { |secret| signed?(secret, body, headers) }
end

def signed?(secret, body, headers)
  unless secret.start_with?("whsec_")
    expected = OpenSSL::HMAC.hexdigest("SHA256", secret, body)
    return OpenSSL.secure_compare(expected, headers["x-kakiyo-signature"].to_s)
  end
  id, sent_at = headers["webhook-id"], headers["webhook-timestamp"]
  return false if (Time.now.to_i - sent_at.to_i).abs > 300
  key = secret.delete_prefix("whsec_").unpack1("m")
  expected = "v1," + [OpenSSL::HMAC.digest("SHA256", key, "#{id}.#{sent_at}.#{body}")].pack("m0")
  headers["webhook-signature"].to_s.split.any? { |given| OpenSSL.secure_compare(expected, given) }
end
