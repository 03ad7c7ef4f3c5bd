// For each line of standard input, one delivery: whether the published package, and Java's own Ed25519, verify it.
import com.standardwebhooks.Webhook;
import com.standardwebhooks.exceptions.WebhookVerificationException;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.Signature;
import java.security.SignatureException;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

public class Main {
    static final byte[] ED25519_HEAD = HexFormat.of().parseHex("302a300506032b6570032100");

    public static void main(String[] arguments) throws Exception {
        for (String line : new String(System.in.readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
            String[] parts = line.split("\t", -1);
            byte[] body = Base64.getDecoder().decode(parts[5]);
            System.out.println(isSymmetric(parts, body) + " " + isAsymmetric(parts, body));
        }
    }

    static boolean isSymmetric(String[] parts, byte[] body) throws Exception {
        if (parts[0].isEmpty()) return false;
        Map<String, List<String>> headers = Map.of(
            "webhook-id", List.of(parts[2]),
            "webhook-timestamp", List.of(parts[3]),
            "webhook-signature", List.of(parts[4]));
        try {
            new Webhook(parts[0]).verify(new String(body, StandardCharsets.UTF_8), headers);
            return true;
        } catch (WebhookVerificationException wrong) {
            return false;
        }
    }

    static boolean isAsymmetric(String[] parts, byte[] body) throws Exception {
        if (parts[1].isEmpty()) return false;
        byte[] key = joined(ED25519_HEAD, Base64.getDecoder().decode(parts[1].substring("whpk_".length())));
        byte[] signed = joined((parts[2] + "." + parts[3] + ".").getBytes(StandardCharsets.UTF_8), body);
        for (String given : parts[4].split(" ")) {
            if (given.startsWith("v1a,") && isSigned(key, given.substring("v1a,".length()), signed)) return true;
        }
        return false;
    }

    static boolean isSigned(byte[] key, String signature, byte[] signed) throws Exception {
        Signature verifier = Signature.getInstance("Ed25519");
        verifier.initVerify(KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(key)));
        verifier.update(signed);
        try {
            return verifier.verify(Base64.getDecoder().decode(signature));
        } catch (SignatureException wrong) {
            return false;
        }
    }

    static byte[] joined(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }
}
