require "openssl"

def genuine?(secret, body, signature)
  OpenSSL.secure_compare(OpenSSL::HMAC.hexdigest("SHA256", secret, body), signature.to_s)
end
