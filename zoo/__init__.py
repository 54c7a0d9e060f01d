"""Models by name: factories, their cards and the registry."""

if __name__ != "kerasrec.zoo":
    raise ImportError(
        "Import this package as `kerasrec.zoo`; imported as "
        f"`{__name__}`, its classes would be registered with Keras twice."
    )

from kerasrec.zoo._card import Card as Card
from kerasrec.zoo._card import Hyperparameter as Hyperparameter
from kerasrec.zoo._recipe import FallingRate as FallingRate
from kerasrec.zoo._recipe import Recipe as Recipe
from kerasrec.zoo._recipe import Size as Size
from kerasrec.zoo.autoint import AutoInt as AutoInt
from kerasrec.zoo.bert4rec import BERT4Rec as BERT4Rec
from kerasrec.zoo.click_factorization_machine import (
    ClickFactorizationMachine as ClickFactorizationMachine,
)
from kerasrec.zoo.content_recommender import ContentRecommender as ContentRecommender
from kerasrec.zoo.dcn import DCN as DCN
from kerasrec.zoo.deep_repr_recommender import DeepReprRecommender as DeepReprRecommender
from kerasrec.zoo.deepfm import DeepFM as DeepFM
from kerasrec.zoo.dlrm import DLRM as DLRM
from kerasrec.zoo.dnn import DNN as DNN
from kerasrec.zoo.ease import EASE as EASE
from kerasrec.zoo.factorization_machine import FactorizationMachine as FactorizationMachine
from kerasrec.zoo.gf_cf import GFCF as GFCF
from kerasrec.zoo.global_bias import GlobalBias as GlobalBias
from kerasrec.zoo.gru4rec import GRU4Rec as GRU4Rec
from kerasrec.zoo.hybrid_recommender import HybridRecommender as HybridRecommender
from kerasrec.zoo.implicit_als import ImplicitALS as ImplicitALS
from kerasrec.zoo.item_knn import ItemKNN as ItemKNN
from kerasrec.zoo.lightgcn import LightGCN as LightGCN
from kerasrec.zoo.logistic_regression import LogisticRegression as LogisticRegression
from kerasrec.zoo.matrix_factorization import MatrixFactorization as MatrixFactorization
from kerasrec.zoo.mixture_of_tastes import MixtureOfTastes as MixtureOfTastes
from kerasrec.zoo.mult_vae import MultVAE as MultVAE
from kerasrec.zoo.neumf import NeuMF as NeuMF
from kerasrec.zoo.popularity import Popularity as Popularity
from kerasrec.zoo.pure_svd import PureSVD as PureSVD
from kerasrec.zoo.random import Random as Random
from kerasrec.zoo.recommender_net import RecommenderNet as RecommenderNet
from kerasrec.zoo.recommender_v1 import RecommenderV1 as RecommenderV1
from kerasrec.zoo.recommender_v2 import RecommenderV2 as RecommenderV2
from kerasrec.zoo.registry import by_cost as by_cost
from kerasrec.zoo.registry import card as card
from kerasrec.zoo.registry import create as create
from kerasrec.zoo.registry import names as names
from kerasrec.zoo.registry import recipe as recipe
from kerasrec.zoo.sasrec import SASRec as SASRec
from kerasrec.zoo.two_tower import TwoTower as TwoTower
from kerasrec.zoo.user_knn import UserKNN as UserKNN
from kerasrec.zoo.wide_and_deep import WideAndDeep as WideAndDeep
from kerasrec.zoo.youtube_candidates import YouTubeCandidates as YouTubeCandidates
from kerasrec.zoo.youtube_ranker import YouTubeRanker as YouTubeRanker
